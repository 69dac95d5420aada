"""The exact bytes of updates and models: what is hashed, committed to, sent and stored.

    magic (8 bytes) || u32le header length || header, canonical JSON (RFC 8785) || arrays

The header is ``{"arrays": [{"dtype", "name", "shape"}, ...], "model": str, "rows": int}`` with names ascending;
the arrays follow in that order, little-endian, C order, without gaps. ``rows`` is the number of items in the
catalogue, so that an update for another catalogue is noticed before any array is looked at. Pickle is never read.
"""

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import rfc8785
from numpy.typing import NDArray

from common.bounded_json import parse_json
from common.errors import Rejected

UPDATE_MAGIC = b"TFRSUPD1"
MODEL_MAGIC = b"TFRSMDL1"
MAX_HEADER_BYTES = 16_384
MAX_BYTES = 1 << 30
MAX_UPDATE_BYTES = 256 << 20
"""Longer updates, and those that would become longer when they are expanded, are refused before they are looked at."""
MAX_READING_BYTES = 4 << 20
"""Bound on what reading an update or a model allocates beyond its input: the parsed header, whatever it says."""

_MAX_ARRAYS = 64
_MAX_NAME = 64  # names end up in the public record when an update is rejected
_MAX_DIMENSIONS = 4
_MAX_ROWS = 1 << 31
_DTYPES = ("float16", "float32", "float64", "int8", "int64", "uint8", "uint16", "uint32")
_PREFIX_BYTES = len(UPDATE_MAGIC) + 4

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Packed:
    """Named arrays with the model they belong to and the size of the catalogue they were made for."""

    model: str
    rows: int
    arrays: Arrays


def encode_update(packed: Packed) -> bytes:
    """Return the bytes of an update; the same arrays always give the same bytes."""
    return _encode(UPDATE_MAGIC, packed)


def encode_model(packed: Packed) -> bytes:
    """Return the bytes of a model, server optimiser's state included."""
    return _encode(MODEL_MAGIC, packed)


def decode_update(data: bytes, max_bytes: int = MAX_BYTES) -> Packed:
    """Read an update from bytes that nobody vouches for.

    Args:
        data: What a client sent.
        max_bytes: Longer input is refused unread. The arrays are views of `data`: nothing larger is allocated.

    Raises:
        Rejected: anything but the canonical encoding of well-formed arrays.
    """
    return _decode(UPDATE_MAGIC, data, max_bytes)


def decode_model(data: bytes, max_bytes: int = MAX_BYTES) -> Packed:
    """Read a model; the same rules as for an update."""
    return _decode(MODEL_MAGIC, data, max_bytes)


def object_name(data: bytes) -> str:
    """Return the name of an object in the run folder: the sha256 of its bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def _encode(magic: bytes, packed: Packed) -> bytes:
    ordered = {name: _little_endian(packed.arrays[name]) for name in sorted(packed.arrays)}
    header = rfc8785.dumps(
        {
            "arrays": [
                {"dtype": array.dtype.name, "name": name, "shape": list(array.shape)} for name, array in ordered.items()
            ],
            "model": packed.model,
            "rows": packed.rows,
        }
    )
    parts = [magic, struct.pack("<I", len(header)), header]
    parts += [array.tobytes(order="C") for array in ordered.values()]
    return b"".join(parts)


def _little_endian(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.dtype.name not in _DTYPES:
        raise ValueError(f"arrays of type {array.dtype.name} have no canonical bytes; use one of {_DTYPES}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _decode(magic: bytes, data: bytes, max_bytes: int) -> Packed:
    if len(data) > max_bytes:
        raise Rejected(f"{len(data)} bytes are more than the {max_bytes} allowed")
    if data[: len(magic)] != magic or len(data) < _PREFIX_BYTES:
        raise Rejected(f"the bytes do not start with {magic.decode()}")
    (header_bytes,) = struct.unpack_from("<I", data, len(magic))
    start = _PREFIX_BYTES + header_bytes
    if header_bytes > MAX_HEADER_BYTES or start > len(data):
        raise Rejected(f"the header's length field says {header_bytes} bytes, which cannot be")
    header = _parse_header(data[_PREFIX_BYTES:start])
    arrays: Arrays = {}
    for name, dtype, shape in header.entries:
        size = dtype.itemsize * math.prod(shape)
        if start + size > len(data):
            raise Rejected(f"array '{name}' is cut off")
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape)
        start += size
    if start != len(data):
        raise Rejected(f"{len(data) - start} bytes follow the last array")
    return Packed(header.model, header.rows, arrays)


@dataclass(frozen=True)
class _Header:
    model: str
    rows: int
    entries: list[tuple[str, np.dtype[np.generic], tuple[int, ...]]]


def _parse_header(raw: bytes) -> _Header:
    try:
        header = parse_json(raw)
        canonical = rfc8785.dumps(header)
    except ValueError as error:  # of both libraries
        raise Rejected("the header cannot be read as JSON") from error
    if canonical != raw:
        raise Rejected("the header is not canonical JSON")
    if not isinstance(header, dict) or set(header) != {"arrays", "model", "rows"}:
        raise Rejected("the header must have exactly the keys arrays, model, rows")
    model, rows, arrays = header["model"], header["rows"], header["arrays"]
    if not isinstance(model, str) or not _is_count(rows) or not isinstance(arrays, list):
        raise Rejected("the header's values have wrong types")
    if len(model) > _MAX_NAME:
        raise Rejected(f"the model's name is longer than {_MAX_NAME} characters")
    if len(arrays) > _MAX_ARRAYS:
        raise Rejected(f"{len(arrays)} arrays are more than the {_MAX_ARRAYS} allowed")
    entries = [_parse_entry(entry) for entry in arrays]
    names = [name for name, _, _ in entries]
    if names != sorted(set(names)):
        raise Rejected("the arrays' names are not ascending")
    return _Header(model, rows, entries)


def _parse_entry(entry: object) -> tuple[str, np.dtype[np.generic], tuple[int, ...]]:
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "name", "shape"}:
        raise Rejected("an array must be described by exactly dtype, name, shape")
    name, dtype, shape = entry["name"], entry["dtype"], entry["shape"]
    if not isinstance(name, str) or dtype not in _DTYPES or not isinstance(shape, list):
        raise Rejected("an array's description has wrong types")
    if len(name) > _MAX_NAME:
        raise Rejected(f"an array's name is longer than {_MAX_NAME} characters")
    if len(shape) > _MAX_DIMENSIONS or not all(_is_count(length) for length in shape):
        raise Rejected(f"array '{name}' has an impossible shape")
    # a length of zero must not hide the others: numpy refuses such a shape by an error of its own
    if math.prod(max(1, length) for length in shape) * np.dtype(dtype).itemsize > MAX_BYTES:
        raise Rejected(f"array '{name}' is said to be larger than {MAX_BYTES} bytes")
    return name, np.dtype(dtype).newbyteorder("<"), tuple(shape)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_ROWS
