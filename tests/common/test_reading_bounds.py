"""What makes a reader of updates or settings work hardest stays within the bounds that stand in the code.

Whatever else may be in them: `tests/fuzz`.
"""

import json
import struct
from typing import Any

import numpy as np
import pytest

from common.config import Settings
from common.errors import Rejected, WrongUse
from common.update import (
    MAX_READING_BYTES,
    UPDATE_MAGIC,
    Packed,
    decode_update,
    encode_update,
)
from tests.peak_memory import peak_bytes

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([7], dtype=np.uint32)}
UPDATE = encode_update(Packed("ials", 3, ARRAYS))
(HEADER_BYTES,) = struct.unpack_from("<I", UPDATE, 8)
BODY = UPDATE[12 + HEADER_BYTES :]

# Updates and models


def with_header(header: bytes, body: bytes = BODY) -> bytes:
    return UPDATE_MAGIC + struct.pack("<I", len(header)) + header + body


def described(**changed: Any) -> bytes:
    entry = {"dtype": "float64", "name": "a", "shape": [1]} | changed
    return json.dumps({"arrays": [entry], "model": "m", "rows": 1}, separators=(",", ":"), sort_keys=True).encode()


@pytest.mark.parametrize(
    "header",
    [
        described(shape=[2**40, 2**40]),
        described(shape=[2**31 - 1] * 4),
        described(shape=[0, 2**31 - 1, 2**31 - 1]),
        described(shape=[1] * 8000),
        described(name="n" * 16_000),
        b"[" * 16_384,
        b'{"a":' * 3000,
        b"[" + b"[]," * 5000 + b"[]]",
        b'{"arrays":[' + b"{}," * 5000 + b'{}],"model":"m","rows":1}',
        b'{"arrays":[],"model":"m","rows":' + b"9" * 16_000 + b"}",
        b'{"arrays":[],"model":"\\u0000","rows":1e999}',
        b"",
    ],
)
def test_no_header_makes_reading_allocate_more_than_the_bound(header: bytes) -> None:
    assert peak_bytes(lambda: decode_update(with_header(header)), Rejected) < MAX_READING_BYTES


def test_the_arrays_of_an_update_are_not_copied() -> None:
    large = encode_update(Packed("ials", 1, {"a": np.ones(8 << 20, np.uint8)}))
    assert peak_bytes(lambda: decode_update(large)) < MAX_READING_BYTES


# Settings


def test_a_long_text_is_not_repeated_in_the_refusal() -> None:
    for value in ("x" * 10**6, "\ud800", ["x"] * 10**6, b"x" * 10**6):
        with pytest.raises(WrongUse) as caught:
            Settings(dataset=value)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 300
