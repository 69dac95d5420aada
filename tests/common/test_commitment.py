import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from common.commitment import (
    Score,
    SigningDomain,
    check_signature,
    commitment_message,
    commitment_of,
    commitment_salt,
    node_binding_message,
    score_message,
    sign,
)
from common.errors import Rejected

KEY = bytes([1]) * 32
ACCOUNT = Account.from_key(KEY).address
OTHER = Account.from_key(bytes([2]) * 32).address
DOMAIN = SigningDomain(31337, "0x" + "11" * 20)
RUN_ID = bytes(range(32))
BYTES32 = st.binary(min_size=32, max_size=32)


def _typed_data(primary: str, fields: list[tuple[str, str]], message: dict) -> dict:
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            primary: [{"name": name, "type": kind} for kind, name in fields],
        },
        "primaryType": primary,
        "domain": {
            "name": "T-FedRS",
            "version": "1",
            "chainId": DOMAIN.chain_id,
            "verifyingContract": DOMAIN.verifying_contract,
        },
        "message": message,
    }


@given(st.integers(1, 2**64 - 1), BYTES32, BYTES32, st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_a_score_message_equals_eth_accounts_own_encoding(
    server_round: int, commitment: bytes, shard: bytes, ndcg: int, hit: int
) -> None:
    fields = [
        ("bytes32", "runId"),
        ("uint64", "round"),
        ("address", "subject"),
        ("bytes32", "commitment"),
        ("bytes32", "shard"),
        ("int256", "ndcgGainWad"),
        ("int256", "hitGainWad"),
    ]
    message = {
        "runId": RUN_ID,
        "round": server_round,
        "subject": OTHER,
        "commitment": commitment,
        "shard": shard,
        "ndcgGainWad": ndcg,
        "hitGainWad": hit,
    }
    expected = encode_typed_data(full_message=_typed_data("Score", fields, message))
    assert score_message(DOMAIN, RUN_ID, server_round, Score(OTHER, commitment, shard, ndcg, hit)) == expected


def test_commitment_and_binding_messages_equal_eth_accounts_own_encoding() -> None:
    commitment = bytes([9]) * 32
    assert commitment_message(DOMAIN, RUN_ID, 3, commitment) == encode_typed_data(
        full_message=_typed_data(
            "Commitment",
            [("bytes32", "runId"), ("uint64", "round"), ("bytes32", "commitment")],
            {"runId": RUN_ID, "round": 3, "commitment": commitment},
        )
    )
    assert node_binding_message(DOMAIN, RUN_ID, ACCOUNT, 2**64 - 1) == encode_typed_data(
        full_message=_typed_data(
            "NodeBinding",
            [("bytes32", "runId"), ("address", "account"), ("uint64", "nodeId")],
            {"runId": RUN_ID, "account": ACCOUNT, "nodeId": 2**64 - 1},
        )
    )


def test_a_signature_counts_for_its_signer_alone() -> None:
    message = commitment_message(DOMAIN, RUN_ID, 1, bytes(32))
    signature = sign(message, KEY)
    check_signature(message, signature, ACCOUNT)
    with pytest.raises(Rejected, match=f"that of {ACCOUNT}, not of {OTHER}"):
        check_signature(message, signature, OTHER)


@pytest.mark.parametrize(
    "other",
    [
        commitment_message(DOMAIN, RUN_ID, 2, bytes(32)),
        commitment_message(DOMAIN, bytes(32), 1, bytes(32)),
        commitment_message(SigningDomain(1, DOMAIN.verifying_contract), RUN_ID, 1, bytes(32)),
        commitment_message(SigningDomain(31337, "0x" + "22" * 20), RUN_ID, 1, bytes(32)),
    ],
)
def test_a_signature_cannot_be_replayed_elsewhere(other) -> None:
    signature = sign(commitment_message(DOMAIN, RUN_ID, 1, bytes(32)), KEY)
    with pytest.raises(Rejected):
        check_signature(other, signature, ACCOUNT)


@given(st.binary(max_size=70))
def test_any_bytes_as_signature_are_rejected(signature: bytes) -> None:
    with pytest.raises(Rejected):
        check_signature(commitment_message(DOMAIN, RUN_ID, 1, bytes(32)), signature, ACCOUNT)


@given(st.integers(0, 64), st.integers(1, 255))
def test_no_byte_of_a_signature_can_be_altered(place: int, change: int) -> None:
    message = commitment_message(DOMAIN, RUN_ID, 1, bytes(32))
    altered = bytearray(sign(message, KEY))
    altered[place] ^= change
    with pytest.raises(Rejected):
        check_signature(message, bytes(altered), ACCOUNT)


@pytest.mark.parametrize("v", [0, 1, 35, 36, 43, 44])
def test_other_ways_to_write_v_are_rejected(v: int) -> None:
    """Ethereum's libraries read some of them as 27 or 28."""
    message = commitment_message(DOMAIN, RUN_ID, 1, bytes(32))
    with pytest.raises(Rejected, match="not in its one form"):
        check_signature(message, sign(message, KEY)[:64] + bytes([v]), ACCOUNT)


def test_the_mirrored_signature_is_rejected() -> None:
    """(r, -s) with the other v is a signature of the same key over the same message."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    message = commitment_message(DOMAIN, RUN_ID, 1, bytes(32))
    signature = sign(message, KEY)
    s = order - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert Account.recover_message(message, signature=mirrored) == ACCOUNT
    with pytest.raises(Rejected, match="not in its one form"):
        check_signature(message, mirrored, ACCOUNT)


def test_a_commitment_binds_run_round_account_update_and_salt() -> None:
    salt = commitment_salt(KEY, RUN_ID, 1)
    base = (RUN_ID, 1, ACCOUNT, "aa" * 32, salt)
    changed = [
        (bytes(32), 1, ACCOUNT, "aa" * 32, salt),
        (RUN_ID, 2, ACCOUNT, "aa" * 32, salt),
        (RUN_ID, 1, OTHER, "aa" * 32, salt),
        (RUN_ID, 1, ACCOUNT, "ab" * 32, salt),
        (RUN_ID, 1, ACCOUNT, "aa" * 32, bytes(32)),
    ]
    assert len({commitment_of(*values) for values in [base, *changed]}) == 6


def test_the_salt_is_the_same_again_and_differs_by_round() -> None:
    assert commitment_salt(KEY, RUN_ID, 1) == commitment_salt(KEY, RUN_ID, 1)
    assert commitment_salt(KEY, RUN_ID, 1) != commitment_salt(KEY, RUN_ID, 2)
