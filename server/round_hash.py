"""The hash that the RoundLedger contract keeps for every round: a chain over all that the run has recorded so far.

The formulas are those beside `roundHash` in contracts/src/IRoundLedger.sol; a test compares them with the contract.
"""

from eth_abi.abi import encode
from eth_hash.auto import keccak

from server.ledger import Settlement


def run_hash(
    run_id: bytes, settings_hash: bytes, seed_anchor: bytes, catalogue_hash: bytes, cohort_root: bytes
) -> bytes:
    """h(0), of the opening of the run."""
    return keccak(run_id + settings_hash + seed_anchor + catalogue_hash + cohort_root)


def opened_hash(previous: bytes, run_id: bytes, server_round: int, model_hash: bytes) -> bytes:
    """The hash after the round was opened; `previous` is the last round's, or the run's for round 1."""
    return keccak(encode(["bytes32", "bytes32", "uint64", "bytes32"], [previous, run_id, server_round, model_hash]))


def committed_hash(opened: bytes, commitment_root: bytes) -> bytes:
    """The hash after the commitments were recorded."""
    return keccak(opened + commitment_root)


def settled_hash(committed: bytes, settlement: Settlement) -> bytes:
    """The hash after the settlement: h(round)."""
    roots = (
        settlement.evidence_root,
        settlement.reputation_root,
        settlement.reward_root,
        settlement.next_model_hash,
    )
    return keccak(committed + b"".join(roots) + settlement.rewarded_wei.to_bytes(32, "big"))
