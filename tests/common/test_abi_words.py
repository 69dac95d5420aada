import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from common.abi_words import encode_words

VALUES = {
    "bytes32": st.binary(min_size=32, max_size=32),
    "address": st.binary(min_size=20, max_size=20).map(lambda value: "0x" + value.hex()),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
}
WORDS = st.lists(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind])))


@given(WORDS)
def test_the_bytes_are_those_of_eth_abi(words: list[tuple[str, object]]) -> None:
    types, values = [kind for kind, _ in words], [value for _, value in words]
    assert encode_words(types, values) == encode(types, values)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bytes32", bytes(31)),
        ("bytes32", bytes(33)),
        ("bytes32", "00" * 32),
        ("address", "0x" + "0" * 39),
        ("address", "0x" + "0" * 41),
        ("address", "0x" + "g" * 40),
        ("address", bytes(20)),
        ("uint64", -1),
        ("uint64", 2**64),
        ("uint256", 2**256),
        ("uint256", True),
        ("uint256", 1.0),
        ("int256", 2**255),
        ("int256", -(2**255) - 1),
        ("string", "text"),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"^not a"):
        encode_words([kind], [value])


def test_as_many_values_as_types() -> None:
    with pytest.raises(ValueError, match="zip"):
        encode_words(["uint64"], [])
