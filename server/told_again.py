"""A ledger that has lost the last rounds of a run is told them again, from the evidence.

A development chain that is killed loses its last seconds, and a public one that reorganises itself its last blocks. The
run folder holds everything that the ledger was told.
"""

from common.bounded_json import parse_json
from common.errors import CheckFailed
from server.evidence import evidence_root
from server.fields import Fields
from server.ledger import Ledger, Settlement


def rounds_on_ledger(ledger: Ledger, run_id: bytes, decided_rounds: int) -> int:
    """Return how many of the decided rounds the ledger shows as settled; it can only lack the last ones."""
    settled = decided_rounds
    while settled > 0:
        record = ledger.round_record(run_id, settled)
        if record is not None and record.settlement is not None:
            break
        settled -= 1
    return settled


def tell_again(ledger: Ledger, run_id: bytes, server_round: int, evidence: bytes) -> None:
    """Open, commit and settle a decided round; what the ledger still holds of it is found there and not repeated.

    Args:
        ledger: Shows every round before this one as settled.
        run_id: 32 bytes.
        server_round: Its number.
        evidence: The bytes of its evidence file.

    Raises:
        CheckFailed: the evidence was altered.
        LedgerConflict: the ledger holds something else of this round.
    """
    try:
        record = Fields(parse_json(evidence), "")
        model = record.hexadecimal("model", 32)
        commitment_root = record.hexadecimal("commitment_root", 32)
        settlement = Settlement(
            evidence_root=evidence_root(evidence),
            reputation_root=record.hexadecimal("reputation_root", 32),
            reward_root=record.hexadecimal("reward_root", 32),
            next_model_hash=record.hexadecimal("next_model", 32),
            rewarded_wei=record.decimal("rewarded_wei"),
        )
    except ValueError as error:
        raise CheckFailed(
            f"The evidence of round {server_round} was altered ({error}); restore it from a backup."
        ) from error
    ledger.open_round(run_id, server_round, model)
    ledger.commit_updates(run_id, server_round, commitment_root)
    ledger.settle_round(run_id, server_round, settlement)
