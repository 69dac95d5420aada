"""The record beside the ledger: what was written on chain, and in which order, is what the evidence comes to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from common.errors import CheckFailed
from common.merkle import cohort_leaf, merkle_root
from server.evidence import evidence_root
from server.federation import Federation
from server.ledger import Ledger, Receipt, RoundRecord, RunRecord, Settlement
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound
from server.settlement import reward_leaves

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


def check_opening(first: PublicRound, ledger: Ledger, federation: Federation) -> tuple[RunRecord, RoundRecord, Written]:
    """Compare what is fixed for the whole run: chain, contract, settings, cohort.

    Returns:
        The run's opening and its first round, as the ledger tells them.

    Raises:
        Mismatch: the ledger does not know the run, or knows another.
    """
    expect(1, None, "domain.chain_id", first.domain.chain_id, ledger.chain_id)
    contract = ledger.verifying_contract
    expect(1, None, "domain.verifying_contract", first.domain.verifying_contract, contract)
    record = _told(None, lambda: ledger.run_record(first.run_id))
    if record is None:
        raise Mismatch(1, None, "run_id", "the ledger knows no such run")
    expect(None, None, "catalogue", federation.catalogue_hash, record.catalogue_hash)
    check_settings(federation.settings_hash(first.settings), record.settings_hash)
    leaves = [cohort_leaf(index, account) for index, account in enumerate(first.cohort)]
    expect(1, None, "cohort", merkle_root(leaves), record.cohort_root)
    opened = _told(1, lambda: ledger.round_record(first.run_id, 1))
    if opened is None:
        raise Mismatch(1, None, "ledger", "the ledger knows no such round")
    return record, opened, Written(record.opened.block_number)


def check_earned_before(first: PublicRound, earned_wei: Mapping[str, int], opened: RoundRecord, ledger: Ledger) -> bool:
    """Compare what accounts had earned before the run with the ledger's settlement before its first.

    Returns:
        False where that settlement cannot tell: its leaves are those of another cohort.

    Raises:
        Mismatch: somebody had earned less than nothing, or something before the first settlement of all.
    """
    for account, wei in earned_wei.items():
        if wei < 0:
            raise Mismatch(1, account, "judgements.cumulative_wei", "it is less than this round alone pays")
    before = (opened.sequence or 1) - 1
    if not before:
        check_nothing_earned(earned_wei)
        return True
    paid = _told(1, lambda: ledger.reward_root_of(before))
    return paid == merkle_root(reward_leaves(first.cohort, earned_wei))


def check_nothing_earned(earned_wei: Mapping[str, int]) -> None:
    """Make sure that the run began with nothing, as the first of its ledger does."""
    for account, wei in earned_wei.items():
        if wei:
            raise Mismatch(1, account, "judgements.cumulative_wei", f"before this run it would have earned {wei} wei")


def check_settings(found: bytes, expected: bytes) -> None:
    """Compare what follows from the settings in round 1's evidence and from federation.json with what was fixed."""
    if found != expected:
        reason = f"with federation.json they come to {found.hex()}, and the run was opened with {expected.hex()}"
        raise Mismatch(1, None, "settings", reason)


def check_nothing_follows(last: PublicRound, ledger: Ledger) -> None:
    """Make sure that no evidence was taken away from the end of the record.

    Raises:
        Mismatch: the ledger has settled a round after the last one at hand.
    """
    t = last.server_round + 1
    record = _told(t, lambda: ledger.round_record(last.run_id, t))
    if record is not None and record.settlement is not None:
        raise Mismatch(t, None, "evidence", "the ledger shows the round settled, and its evidence is missing")


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
    sequence = record.sequence or 0  # events tell the number, and the contract's hash does not cover it
    if _told(t, lambda: ledger.reward_root_of(sequence)) != public.reward_root:
        raise Mismatch(t, None, "sequence on the ledger", f"settlement {sequence} promises other rewards")
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
