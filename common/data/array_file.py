"""Named arrays in one npz file: written whole or not at all, read without pickles and without decompression."""

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.atomic_file import write_atomically
from common.errors import WrongUse

MOST_FILE_BYTES = 4 << 30
MOST_MEMORY_PER_BYTE = 4
"""Bound on what reading allocates for each byte of a file: nothing in it is compressed, no part is counted twice."""

# what zipfile raises for changed bytes; RuntimeError is its own for unknown compression and encryption
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, LookupError, ArithmeticError, struct.error, zipfile.BadZipFile)
_ARRAY_MAGIC = b"\x93NUMPY"
# the header as numpy writes it; its own reader evaluates whatever expression stands there, and allocates by it
_HEADER = re.compile(
    rb"\{'descr': '([<|][biuf][1248]|<U\d{1,6})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,12},? ?)*)\), \} *\n"
)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write the arrays; equal arrays give equal bytes.

    The file is for its owner alone, since it may hold a client's interactions.
    """
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_atomically(path, file.getvalue(), private=True)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every array of a file.

    Raises:
        WrongUse: the file is missing, damaged, larger than `MOST_FILE_BYTES`, or holds something other than numbers and
            text as `save_arrays` writes them.
    """
    if not path.is_file():
        raise WrongUse(f"there is no file {path}: let the launcher write it, or check the path.")
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise ValueError(f"it is larger than {MOST_FILE_BYTES} bytes")
        data = path.read_bytes()
        if data.startswith(_ARRAY_MAGIC):
            raise WrongUse(f"{path} is a single array, not an npz file: let the launcher write it again.")
        return _read_members(data)
    except _DAMAGED as error:
        raise WrongUse(f"{path} cannot be read ({error}): let the launcher write it again.") from error


def _read_members(data: bytes) -> dict[str, NDArray[np.generic]]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        members = file.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("an array is compressed")
        if sum(member.file_size for member in members) > len(data):
            raise ValueError("its arrays claim to be larger than the file")
        return {member.filename.removesuffix(".npy"): _read_array(file.read(member)) for member in members}


def _read_array(member: bytes) -> NDArray[np.generic]:
    start = len(_ARRAY_MAGIC) + 4
    if member[: start - 2] != _ARRAY_MAGIC + b"\x01\x00" or len(member) < start:
        raise ValueError("an array does not begin as one")
    end = start + int.from_bytes(member[start - 2 : start], "little")
    header = _HEADER.fullmatch(member[start:end])
    if header is None:
        raise ValueError("an array's header is not one of numbers or text")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in header[3].replace(b",", b" ").split())
    if math.prod(max(1, length) for length in shape) > MOST_FILE_BYTES:
        raise ValueError("an array's shape is impossible")
    if len(member) - end != dtype.itemsize * math.prod(shape):
        raise ValueError("an array is not as long as its shape says")
    flat = np.frombuffer(member, dtype, math.prod(shape), end) if len(member) > end else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if header[2] == b"True" else "C").copy()
