import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.errors import Rejected
from common.update import (
    MAX_HEADER_BYTES,
    UPDATE_MAGIC,
    Packed,
    decode_model,
    decode_update,
    encode_model,
    encode_update,
    object_name,
)

_ARRAY = st.sampled_from(["float32", "float64", "int64", "uint32", "uint8"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
)
_PACKED = st.builds(
    Packed,
    model=st.text(max_size=8),
    rows=st.integers(0, 1000),
    arrays=st.dictionaries(st.text(alphabet="abcdef_é", min_size=1, max_size=6), _ARRAY, max_size=4),
)
_SAMPLE = encode_update(
    Packed("ials", 3, {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([7], dtype=np.uint32)})
)


@given(_PACKED)
def test_what_was_encoded_is_decoded(packed: Packed) -> None:
    again = decode_update(encode_update(packed))
    assert (again.model, again.rows, list(again.arrays)) == (packed.model, packed.rows, sorted(packed.arrays))
    for name, array in packed.arrays.items():
        assert again.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(again.arrays[name], array)


def test_the_bytes_are_those_of_the_protocol() -> None:
    header = (
        b'{"arrays":[{"dtype":"uint32","name":"a","shape":[1]},{"dtype":"float32","name":"b","shape":[2,3]}],'
        b'"model":"ials","rows":3}'
    )
    body = struct.pack("<I", 7) + struct.pack("<6f", *range(6))
    assert b"TFRSUPD1" + struct.pack("<I", len(header)) + header + body == _SAMPLE


def test_order_of_names_and_memory_layout_do_not_change_the_bytes() -> None:
    b = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    assert encode_update(Packed("ials", 3, {"a": np.array([7], dtype=">u4"), "b": b})) == _SAMPLE


@given(st.binary(max_size=300))
def test_random_bytes_are_rejected(data: bytes) -> None:
    for prefix in (b"", UPDATE_MAGIC, UPDATE_MAGIC + struct.pack("<I", max(0, len(data) - 20))):
        with pytest.raises(Rejected):
            decode_update(prefix + data)


@given(st.integers(0, len(_SAMPLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_rejected_or_changes_the_content(position: int, flip: int) -> None:
    changed = bytearray(_SAMPLE)
    changed[position] ^= flip
    try:
        packed = decode_update(bytes(changed))
    except Rejected:
        return
    assert encode_update(packed) == bytes(changed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d[:-1], "cut off"),
        (lambda d: d + b"\0", "follow the last array"),
        (lambda d: b"TFRSUPD2" + d[8:], "do not start"),
        (lambda d: d[:8] + struct.pack("<I", MAX_HEADER_BYTES + 1) + d[12:], "length field"),
        (lambda d: d[:8] + struct.pack("<I", 2**32 - 1) + d[12:], "length field"),
        (lambda d: d[:8] + struct.pack("<I", 3) + b"[1]", "exactly the keys"),
        (lambda d: d.replace(b"float32", b"object0"), "wrong types"),
        (lambda d: d.replace(b'"name":"a"', b'"name":"c"'), "not ascending"),
    ],
)
def test_malformed_updates_are_rejected_with_a_reason(change, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        decode_update(change(_SAMPLE))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("2147483647,2147483647", "said to be larger than 1073741824 bytes"),
        ("0,2147483647,2147483647", "said to be larger than 1073741824 bytes"),  # of no bytes, but numpy refuses it
        ("1000000", "cut off"),
        ("1099511627776,1099511627776", "impossible shape"),
        ("-1", "impossible shape"),
        ("1,1,1,1,1", "impossible shape"),
    ],
)
def test_a_huge_shape_is_rejected_before_anything_is_allocated(shape: str, reason: str) -> None:
    header = f'{{"arrays":[{{"dtype":"float64","name":"a","shape":[{shape}]}}],"model":"m","rows":1}}'.encode()
    with pytest.raises(Rejected, match=reason):
        decode_update(UPDATE_MAGIC + struct.pack("<I", len(header)) + header)


def test_input_over_the_bound_is_refused_unread() -> None:
    with pytest.raises(Rejected, match="more than the 10 allowed"):
        decode_update(_SAMPLE, max_bytes=10)


def test_a_model_is_not_an_update() -> None:
    model = encode_model(Packed("ials", 1, {"a": np.zeros(1, np.float32)}))
    assert decode_model(model).model == "ials"
    with pytest.raises(Rejected):
        decode_update(model)


def test_objects_with_pickled_types_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="no canonical bytes"):
        encode_update(Packed("m", 1, {"a": np.array([None])}))


def test_an_object_is_named_by_its_sha256() -> None:
    assert object_name(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
