"""Bytes that travel as models and updates do."""

import os

from flwr.app import Array, ArrayRecord


def payload(size: int) -> ArrayRecord:
    """Random bytes as one record, laid out as `common.record_fields.bytes_record` does it."""
    return ArrayRecord({"bytes": Array(dtype="uint8", shape=(size,), stype="empty.bytes", data=os.urandom(size))})
