import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from common.merkle import merkle_proof, merkle_root, reward_leaf, verify_proof

_LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40, unique=True)


def _slow_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
    return _slow_root([keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs])


@given(_LEAVES)
def test_the_root_equals_the_slow_oracle(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == _slow_root(leaves)


@given(_LEAVES, st.data())
def test_every_leaf_can_be_proven(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert verify_proof(leaves[index], merkle_proof(leaves, index), merkle_root(leaves))


@given(_LEAVES, st.binary(min_size=32, max_size=32), st.data())
def test_a_foreign_leaf_cannot_be_proven(leaves: list[bytes], foreign: bytes, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    if foreign not in leaves:
        assert not verify_proof(foreign, merkle_proof(leaves, index), merkle_root(leaves))


def test_an_odd_node_is_promoted() -> None:
    a, b, c = (bytes([i]) * 32 for i in (1, 2, 3))
    assert merkle_root([a, b, c]) == keccak(b"".join(sorted([keccak(a + b), c])))


def test_no_leaves_have_a_root_that_nothing_reaches() -> None:
    assert merkle_root([]) == bytes(32)
    with pytest.raises(IndexError):
        merkle_proof([], 0)


def test_a_leaf_is_hashed_twice() -> None:
    account = "0x" + "00" * 19 + "2a"
    encoded = (5).to_bytes(32, "big") + (42).to_bytes(32, "big") + (10**18).to_bytes(32, "big")
    assert reward_leaf(5, account, 10**18) == keccak(keccak(encoded))
