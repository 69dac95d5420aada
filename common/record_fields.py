"""Typed fields of Flower records, from messages that nobody vouches for: what is not as it must be is `Rejected`."""

from typing import TypeVar

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from common.address import is_checksum_address
from common.errors import Rejected

MOST_ENTRIES = 512
"""Some times the most that --committee-size allows: where half of the clients may score, each scores twice as many
updates as a committee has seats on average, and by chance more."""
_BYTES_KEY = "bytes"
_STYPE = "tfedrs.bytes"
_T = TypeVar("_T")


def bytes_record(data: bytes) -> ArrayRecord:
    """Bytes as a Flower record of one array; Flower stores equal records once, however many messages hold them."""
    return ArrayRecord({_BYTES_KEY: Array(dtype="uint8", shape=(len(data),), stype=_STYPE, data=data)})


def record_bytes(content: RecordDict, name: str) -> bytes:
    """Return what `bytes_record` holds under `name`."""
    record = content.array_records.get(name)
    if record is None or list(record) != [_BYTES_KEY]:
        raise Rejected(f"the message has no '{name}'")
    return record[_BYTES_KEY].data


def config_record(content: RecordDict, name: str) -> ConfigRecord:
    """Return the record of this name."""
    record = content.config_records.get(name)
    if record is None:
        raise Rejected(f"the message has no record '{name}'")
    return record


def address_field(record: ConfigRecord, key: str) -> str:
    """Return a checksum address."""
    value = record.get(key)
    if not isinstance(value, str) or not is_checksum_address(value):
        raise Rejected(f"'{key}' is not an address with its checksum")
    return value


def bytes_field(record: ConfigRecord, key: str, length: int) -> bytes:
    """Return bytes of exactly this length."""
    value = record.get(key)
    if not isinstance(value, bytes) or len(value) != length:
        raise Rejected(f"'{key}' is not {length} bytes")
    return value


def integer_field(record: ConfigRecord, key: str) -> int:
    """Return a whole number in [0, 2^64)."""
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise Rejected(f"'{key}' is not a whole number in [0, 2^64)")
    return value


def address_list(record: ConfigRecord, key: str) -> list[str]:
    """Return checksum addresses."""
    values = list_field(record, key, str)
    if not all(is_checksum_address(value) for value in values):
        raise Rejected(f"'{key}' has an entry that is not an address with its checksum")
    return values


def bytes_list(record: ConfigRecord, key: str, length: int) -> list[bytes]:
    """Return bytes, each of exactly this length."""
    values = list_field(record, key, bytes)
    if not all(len(value) == length for value in values):
        raise Rejected(f"'{key}' has an entry that is not {length} bytes")
    return values


def list_field(record: ConfigRecord, key: str, kind: type[_T]) -> list[_T]:
    """Return entries of one type, at most `MOST_ENTRIES`."""
    value = record.get(key)
    if not isinstance(value, list) or len(value) > MOST_ENTRIES or not all(type(entry) is kind for entry in value):
        raise Rejected(f"'{key}' is not a list of at most {MOST_ENTRIES} entries, each {kind.__name__}")
    return [entry for entry in value if isinstance(entry, kind)]
