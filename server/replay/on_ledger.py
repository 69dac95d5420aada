"""The record beside the ledger: what was written on chain, and in which order, is what the evidence comes to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.errors import CheckFailed
from common.merkle import cohort_leaf, merkle_root
from server.evidence import evidence_root
from server.federation import Federation
from server.ledger import Ledger, Receipt, RoundRecord, RunRecord, Settlement
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Written:
    """The last step that was found on the ledger.

    Attributes:
        block_number: Its block.
        sequence: The number of the last settlement; None before the first of this run.
    """

    block_number: int
    sequence: int | None = None


def check_opening(first: PublicRound, ledger: Ledger, federation: Federation) -> tuple[RunRecord, Written]:
    """Compare what is fixed for the whole run: chain, contract, settings, cohort.

    Raises:
        Mismatch: the ledger does not know the run, or knows another.
    """
    expect(None, None, "domain.chain_id", first.domain.chain_id, ledger.chain_id)
    contract = ledger.verifying_contract
    expect(None, None, "domain.verifying_contract", first.domain.verifying_contract, contract)
    record = _told(None, lambda: ledger.run_record(first.run_id))
    if record is None:
        raise Mismatch(None, None, "run_id", "the ledger knows no such run")
    expect(None, None, "settings", federation.settings_hash(first.settings), record.settings_hash)
    expect(None, None, "catalogue", federation.catalogue_hash, record.catalogue_hash)
    leaves = [cohort_leaf(index, account) for index, account in enumerate(first.cohort)]
    expect(None, None, "cohort", merkle_root(leaves), record.cohort_root)
    return record, Written(record.opened.block_number)


def check_round(public: PublicRound, ledger: Ledger, before: Written) -> Written:
    """Compare a replayed round with its three entries on the ledger.

    Raises:
        Mismatch: an entry is missing, says something else, or was written out of order.
    """
    t = public.server_round
    record = _told(t, lambda: ledger.round_record(public.run_id, t))
    if record is None:
        raise Mismatch(t, None, "ledger", "the ledger knows no such round")
    expect(t, None, "model on the ledger", record.model_hash.hex(), public.model)
    expect(t, None, "commitment_root on the ledger", record.commitment_root, public.commitment_root)
    if record.settlement is None:
        raise Mismatch(t, None, "ledger", "the ledger does not show it settled")
    settlement = Settlement(
        evidence_root(public.content),
        public.reputation_root,
        public.reward_root,
        bytes.fromhex(public.next_model),
        public.rewarded_wei,
    )
    for field in ("reputation_root", "reward_root", "next_model_hash", "rewarded_wei", "evidence_root"):
        found = getattr(record.settlement, field)
        expect(t, None, f"{field} on the ledger", found, getattr(settlement, field))
    return _in_order(record, before)


def _in_order(record: RoundRecord, before: Written) -> Written:
    block = before.block_number
    steps: tuple[tuple[str, Receipt | None], ...] = (
        ("opening", record.opened),
        ("commitment", record.committed),
        ("settlement", record.settled),
    )
    for name, receipt in steps:
        if receipt is None or receipt.block_number < block:
            raise Mismatch(record.server_round, None, "ledger", f"its {name} was written before what it follows from")
        block = receipt.block_number
    if before.sequence is not None and (record.sequence is None or record.sequence <= before.sequence):
        raise Mismatch(record.server_round, None, "ledger", "its settlement has no later number than the one before")
    return Written(block, record.sequence)


def _told(server_round: int | None, ask: Callable[[], _Record]) -> _Record:
    """Ask the ledger; what it tells must hash to what the contract keeps."""
    try:
        return ask()
    except CheckFailed as error:
        raise Mismatch(server_round, None, "ledger", str(error).rstrip(".")) from error
