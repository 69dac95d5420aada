"""Typed fields of a JSON record that nobody vouches for; what is not as it must be is `Malformed`, with its place."""

import re
from collections.abc import Iterator
from typing import Any

from eth_utils.address import is_checksum_address

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,76})")  # below 2^256 in size
_HEX = re.compile(r"[0-9a-f]*")
MOST_ENTRIES = 1_000_000
"""Of a list in the evidence: more clients or scores than a round can have."""


class Malformed(ValueError):
    """A field is missing or of another type.

    Attributes:
        field: Its place, such as "judgements[2].weight_wad".
        account: Whose entry it is; None where it is nobody's.
        reason: What is wrong, without a full stop.
    """

    def __init__(self, field: str, reason: str, account: str | None = None) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.account = account
        self.reason = reason


class Fields:
    """One JSON object, read key by key."""

    def __init__(self, record: Any, place: str) -> None:
        self._place = place
        if not isinstance(record, dict):
            raise Malformed(place or "evidence", "it is not an object")
        self._record = record
        named = record.get("account", record.get("evaluator", record.get("subject")))
        self._account = named if isinstance(named, str) and is_checksum_address(named) else None

    def only(self, keys: frozenset[str]) -> None:
        """Make sure that the object has these keys and no other."""
        if strange := sorted(set(self._record) ^ keys):
            known = strange[0] in keys
            raise self.malformed(strange[0], "it is missing" if known else "nobody knows such a field")

    def raw(self, key: str) -> Any:
        """Return whatever stands there."""
        if key not in self._record:
            raise self.malformed(key, "it is missing")
        return self._record[key]

    def text(self, key: str, most: int = 10_000) -> str:
        """Return a text of at most `most` characters."""
        value = self.raw(key)
        if not isinstance(value, str) or len(value) > most:
            raise self.malformed(key, f"it is not a text of at most {most} characters")
        return value

    def number(self, key: str) -> int:
        """Return a whole number in [0, 2^53)."""
        value = self.raw(key)
        if type(value) is not int or not 0 <= value < 2**53:
            raise self.malformed(key, "it is not a whole number in [0, 2^53)")
        return value

    def decimal(self, key: str) -> int:
        """Return a big integer, which stands there as decimal text."""
        value = self.raw(key)
        if not isinstance(value, str) or not _INTEGER.fullmatch(value) or value == "-0":
            raise self.malformed(key, "it is not an integer in decimal digits")
        return int(value)

    def integer(self, key: str) -> int:
        """Return an integer of any size, which stands there as a number."""
        return self._integer(key, self.raw(key))

    def integers(self, key: str) -> dict[str, int]:
        """Return integers of any size by name."""
        values = self.raw(key)
        if not isinstance(values, dict):
            raise self.malformed(key, "it is not an object")
        return {name: self._integer(key, value) for name, value in values.items()}

    def hexadecimal(self, key: str, length: int) -> bytes:
        """Return exactly `length` bytes, written in lower-case hexadecimal."""
        value = self.raw(key)
        if not isinstance(value, str) or len(value) != 2 * length or not _HEX.fullmatch(value):
            raise self.malformed(key, f"it is not {length} bytes in hexadecimal")
        return bytes.fromhex(value)

    def account(self, key: str) -> str:
        """Return a checksum address."""
        return as_account(self.raw(key), self._at(key))

    def objects(self, key: str) -> "Iterator[Fields]":
        """Yield the objects of a list."""
        for index, entry in enumerate(self.entries(key)):
            yield Fields(entry, f"{self._at(key)}[{index}]")

    def entries(self, key: str) -> list[Any]:
        """Return a list of at most `MOST_ENTRIES`."""
        value = self.raw(key)
        if not isinstance(value, list) or len(value) > MOST_ENTRIES:
            raise self.malformed(key, f"it is not a list of at most {MOST_ENTRIES} entries")
        return value

    def inner(self, key: str) -> "Fields":
        """Return the object that stands there."""
        return Fields(self.raw(key), self._at(key))

    def malformed(self, key: str, reason: str) -> Malformed:
        """Return the error about one key of this object."""
        return Malformed(self._at(key), reason, self._account)

    def _integer(self, key: str, value: object) -> int:
        if type(value) is not int:
            raise self.malformed(key, "it is not an integer")
        return value

    def _at(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key


def as_account(value: object, place: str) -> str:
    """Return a checksum address.

    Raises:
        Malformed: it is none.
    """
    if not isinstance(value, str) or not is_checksum_address(value):
        raise Malformed(place, "it is not an address with its checksum")
    return value
