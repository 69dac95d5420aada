"""Whatever stands in an update, in the settings or in a participant's files: it is read, or refused as documented.

Nothing else is raised, nothing hangs, and nothing allocates more than the bound that stands in the code. Messages are
in `test_wire.py`, a participant's files in `test_fuzzed_files.py`, the coordinator's in
`tests/server/test_fuzzed_files.py`.
"""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import Settings
from common.errors import Rejected, WrongUse
from common.update import (
    MAX_READING_BYTES,
    UPDATE_MAGIC,
    Packed,
    decode_model,
    decode_update,
    encode_model,
    encode_update,
)
from tests.mutations import ANY_JSON, mutated_bytes, mutated_json
from tests.peak_memory import peak_bytes

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([7], dtype=np.uint32)}
UPDATE = encode_update(Packed("ials", 3, ARRAYS))
MODEL = encode_model(Packed("ials", 3, ARRAYS))
(HEADER_BYTES,) = struct.unpack_from("<I", UPDATE, 8)
HEADER, BODY = UPDATE[12 : 12 + HEADER_BYTES], UPDATE[12 + HEADER_BYTES :]

# Updates and models


def with_header(header: bytes, body: bytes = BODY) -> bytes:
    return UPDATE_MAGIC + struct.pack("<I", len(header)) + header + body


@given(mutated_bytes(UPDATE) | mutated_json(HEADER).map(with_header) | st.binary(max_size=64).map(with_header))
@settings(max_examples=300)
def test_a_changed_update_is_read_or_rejected(data: bytes) -> None:
    try:
        packed = decode_update(data)
    except Rejected as reason:
        assert 0 < len(str(reason)) < 300
    else:
        assert encode_update(packed) == data


@given(mutated_bytes(MODEL))
def test_a_changed_model_is_read_or_rejected(data: bytes) -> None:
    try:
        packed = decode_model(data)
    except Rejected:
        return
    assert encode_model(packed) == data


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

SETTING = st.sampled_from(sorted(Settings().to_run_config()))
VALUE = ANY_JSON | st.floats() | st.binary(max_size=8) | st.just(10**5000) | st.just(-(10**5000)) | st.just([10**5000])


@given(st.dictionaries(SETTING | st.text(max_size=5), VALUE, max_size=4))
@settings(max_examples=300)
def test_any_settings_are_taken_or_refused_in_a_sentence(run_config: dict[str, object]) -> None:
    try:
        read = Settings.from_run_config(run_config)
    except WrongUse as error:
        assert str(error).startswith("--")
        assert len(str(error)) < 500
    else:
        assert Settings.from_run_config(json.loads(read.canonical())) == read


def test_a_long_text_is_not_repeated_in_the_refusal() -> None:
    for value in ("x" * 10**6, "\ud800", ["x"] * 10**6, b"x" * 10**6):
        with pytest.raises(WrongUse) as caught:
            Settings(dataset=value)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 300
