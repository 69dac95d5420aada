import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from common.recoverable_signature import address_of_key, sign_hash, signer_of

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
HASHES = st.binary(min_size=32, max_size=32)


@given(KEYS, HASHES)
def test_signatures_and_addresses_are_those_of_eth_account(key: bytes, message_hash: bytes) -> None:
    signature = sign_hash(message_hash, key)
    assert signature == bytes(Account.unsafe_sign_hash(message_hash, key).signature)
    assert address_of_key(key) == Account.from_key(key).address == signer_of(message_hash, signature)


@given(HASHES, st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]))
def test_any_bytes_are_of_some_signer_or_malformed_as_for_eth_account(
    message_hash: bytes, content: bytes, v: int
) -> None:
    signature = content + bytes([v])
    try:
        expected = Account._recover_hash(message_hash, signature=signature)
    except Exception:  # noqa: BLE001 - eth-keys and coincurve raise many types, all meaning the same
        with pytest.raises(ValueError, match="malformed"):
            signer_of(message_hash, signature)
    else:
        assert signer_of(message_hash, signature) == expected


@pytest.mark.parametrize("key", [b"", bytes(32), bytes(31) + b"", ORDER.to_bytes(32, "big"), bytes([1]) * 33])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        address_of_key(key)
