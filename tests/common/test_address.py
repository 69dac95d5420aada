import pytest
from eth_utils.address import is_checksum_address as eth_utils_says
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from common.address import address_bytes, checksum_address, is_checksum_address

ADDRESSES = st.binary(min_size=20, max_size=20)


@given(ADDRESSES)
def test_the_checksum_is_that_of_eth_utils(address: bytes) -> None:
    assert checksum_address(address) == to_checksum_address(address)
    assert is_checksum_address(checksum_address(address))
    assert address_bytes(checksum_address(address)) == address


@given(ADDRESSES, st.integers(2, 41))
def test_another_case_of_a_letter_is_no_checksum(address: bytes, place: int) -> None:
    text = checksum_address(address)
    altered = text[:place] + text[place].swapcase() + text[place + 1 :]
    assert is_checksum_address(altered) == (altered == text)


@given(st.text(alphabet="0123456789abcdefABCDEFxX٣\n ", max_size=44))
def test_any_text_is_judged_as_eth_utils_does(text: str) -> None:
    assert is_checksum_address(text) == eth_utils_says(text)


@pytest.mark.parametrize("text", ["", "0x", "0x" + "0" * 39, "0x" + "0" * 40 + "\n", "0X" + "0" * 40, "0" * 42])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not is_checksum_address(text)
    with pytest.raises(ValueError, match="not an address"):
        address_bytes(text)
