"""A reader of what others wrote, and what it promises."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.bounded_json import MOST_MEMORY_PER_BYTE
from common.errors import WrongUse
from tests.fuzz.mutations import (
    Mutation,
)

Read = Callable[[bytes], object]
Refusals = tuple[type[Exception], ...]

_BASE_BYTES = 2 << 20
"""Beside what the input's length allows: parsers' tables, messages of errors."""


@dataclass(frozen=True)
class Decoder:
    """A reader and what it promises.

    Attributes:
        name: On the command line and in the table that is printed.
        covers: The functions behind it, as "module:Class.function".
        inputs: Valid ones.
        mutation: How they are changed.
        read: The reader, from bytes.
        refusals: All that it may raise.
        most_seconds: Of processor time for one input.
        bytes_each: What it may allocate for each byte of input, beside `_BASE_BYTES`.
        share: Of an equal part of all inputs; less than 1 for what takes milliseconds by itself.
    """

    name: str
    covers: tuple[str, ...]
    inputs: Sequence[bytes]
    mutation: Mutation
    read: Read
    refusals: Refusals
    most_seconds: float = 1.0
    bytes_each: int = MOST_MEMORY_PER_BYTE
    share: float = 1.0
    base_bytes: int = _BASE_BYTES

    def most_bytes(self, data: bytes) -> int:
        """What reading this input may allocate."""
        return self.base_bytes + self.bytes_each * len(data)


def file_decoder(
    path: Path,
    covers: Sequence[str],
    inputs: Sequence[bytes],
    mutation: Mutation,
    load: Callable[[], object],
    refusals: Refusals = (WrongUse,),
    name: str = "",
    **bounds: float | int,
) -> Decoder:
    """A reader of a file: each input is written to `path` first."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return load()

    return Decoder(name or path.name, tuple(covers), inputs, mutation, read, refusals, **bounds)  # type: ignore[arg-type]


def same(found: object, expected: object) -> object:
    if found != expected:
        raise AssertionError("what was read is not what was written")
    return found
