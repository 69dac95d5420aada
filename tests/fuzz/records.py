"""Contents of Flower messages as JSON, so that they can be changed, written to a file and read again."""

import json
from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

_MOST_BRACKETS = 400


class FlowerRefuses(Exception):
    """No content that Flower would carry: it never arrives."""


def content_to_json(content: RecordDict) -> bytes:
    """Write a content; bytes as {"hex": ...}."""
    kinds: dict[str, Any] = {}
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            arrays = {
                key: {"dtype": one.dtype, "shape": list(one.shape), "stype": one.stype, "data": one.data.hex()}
                for key, one in record.items()
            }
            kinds[name] = {"arrays": arrays}
        else:
            kind = "config" if isinstance(record, ConfigRecord) else "metrics"
            kinds[name] = {kind: {key: _written(value) for key, value in record.items()}}
    return json.dumps(kinds).encode()


def content_from_json(data: bytes) -> RecordDict:
    """Read a content back, through Flower's own records.

    Raises:
        FlowerRefuses: there is no such content.
    """
    try:
        kinds = loosely_parsed(data)
        return RecordDict({name: _record(one) for name, one in kinds.items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise FlowerRefuses(str(error)) from error


def loosely_parsed(data: bytes) -> Any:
    """Read JSON with NaN in it; as deep as Python's own reader, which has no bound, can be trusted to go.

    Raises:
        ValueError: it is none.
    """
    if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
        raise ValueError("too many brackets")
    return json.loads(data)


def _record(described: dict[str, Any]) -> Any:
    ((kind, values),) = described.items()
    if kind == "arrays":
        return ArrayRecord(
            {
                key: Array(str(one["dtype"]), tuple(map(int, one["shape"])), str(one["stype"]), _bytes(one["data"]))
                for key, one in values.items()
            }
        )
    record = {"config": ConfigRecord, "metrics": MetricRecord}[kind]({key: _read(one) for key, one in values.items()})
    return type(record).inflate(record.deflate())


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return [_written(one) for one in value] if isinstance(value, list) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return _bytes(value["hex"])
    return [_read(one) for one in value] if isinstance(value, list) else value


def _bytes(text: Any) -> bytes:
    return bytes.fromhex(text)
