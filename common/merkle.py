"""Merkle trees that OpenZeppelin's MerkleProof verifies on chain.

A leaf is keccak256(keccak256(abi.encode(...))), hashed twice so that no inner node can pass for a leaf. Pairs are
sorted before hashing, so a proof needs no left or right; an odd node is promoted unchanged. Accounts ascend, and an
account has the same index in every tree of a run.
"""

from collections.abc import Iterable, Sequence

from eth_abi.abi import encode
from eth_hash.auto import keccak

_EMPTY_ROOT = bytes(32)


def ascending(accounts: Iterable[str]) -> tuple[str, ...]:
    """Return accounts in the order of their bytes, which fixes their index in every tree of a run."""
    return tuple(sorted(accounts, key=str.lower))


def cohort_leaf(index: int, account: str) -> bytes:
    """Leaf of the tree of everybody who may take part in a run."""
    return _leaf(["uint256", "address"], [index, account])


def commitment_leaf(index: int, account: str, commitment: bytes) -> bytes:
    """Leaf of a round's commitments; a client that sent nothing has 32 zero bytes."""
    return _leaf(["uint256", "address", "bytes32"], [index, account, commitment])


def reputation_leaf(
    index: int,
    account: str,
    consolidated_wad: int,
    calibrated_wad: int,
    gate_wad: int,
    smoothed_wad: int,
    prefix_wad: int,
) -> bytes:
    """Leaf of a round's reputations; `prefix_wad` is the running sum of smoothed ones up to this index."""
    return _leaf(
        ["uint256", "address", "int256", "uint256", "uint256", "uint256", "uint256"],
        [index, account, consolidated_wad, calibrated_wad, gate_wad, smoothed_wad, prefix_wad],
    )


def reward_leaf(index: int, account: str, cumulative_wei: int) -> bytes:
    """Leaf of the rewards that an account has earned on this ledger so far, claimed or not."""
    return _leaf(["uint256", "address", "uint256"], [index, account, cumulative_wei])


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root; that of no leaves is 32 zero bytes, which no proof reaches."""
    if not leaves:
        return _EMPTY_ROOT
    return _layers(leaves)[-1][0]


def merkle_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the siblings from leaf `index` up to the root.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    proof = []
    for layer in _layers(leaves)[:-1]:
        sibling = index ^ 1
        if sibling < len(layer):
            proof.append(layer[sibling])
        index //= 2
    return proof


def verify_proof(leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `leaf` is in the tree of `root`, as OpenZeppelin's MerkleProof.verify does."""
    node = leaf
    for sibling in proof:
        node = _pair(node, sibling)
    return node == root


def _leaf(types: list[str], values: list[object]) -> bytes:
    return keccak(keccak(encode(types, values)))


def _pair(a: bytes, b: bytes) -> bytes:
    return keccak(a + b) if a < b else keccak(b + a)


def _layers(leaves: Sequence[bytes]) -> list[list[bytes]]:
    layers = [list(leaves)]
    while len(layers[-1]) > 1:
        layer = layers[-1]
        above = [_pair(layer[i], layer[i + 1]) for i in range(0, len(layer) - 1, 2)]
        if len(layer) % 2:
            above.append(layer[-1])
        layers.append(above)
    return layers
