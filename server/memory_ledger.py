"""The ledger's rules in plain Python, for tests and for `simulate` without a chain. It spends no gas.

It refuses what the contracts refuse, with the same error names and values, and keeps the same hashes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

from common.merkle import reward_leaf, verify_proof
from contracts.refusal import ContractRefusal
from server.ledger import LedgerConflict, Phase, Receipt, RoundRecord, RunRecord, Settlement
from server.round_hash import committed_hash, opened_hash, run_hash, settled_hash

MEMORY_CHAIN_ID = 31337
MEMORY_CONTRACT = to_checksum_address(keccak(b"tfedrs memory ledger")[-20:])
"""Stands for the RoundLedger's address in what clients sign; no contract lives there."""
_OWNER = "the sender"
_NO_HASH = bytes(32)


class MemoryLedger:
    """A ledger that lives as long as its process."""

    def __init__(
        self,
        treasury_wei: int = 0,
        owner_wei: int = 0,
        minimum_stake_wei: int = 0,
        challenge_window_seconds: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start an empty ledger.

        Args:
            treasury_wei: What rewards can be paid from at once.
            owner_wei: The sender's own tokens, from which it funds and stakes.
            minimum_stake_wei: Least stake of a participant.
            challenge_window_seconds: Time between a settlement and its claims.
            clock: Unix time in seconds.
        """
        self._treasury_wei = treasury_wei
        self._minimum_stake_wei = minimum_stake_wei
        self._challenge_window_seconds = challenge_window_seconds
        self._clock = clock
        self._balances = {_OWNER: owner_wei}
        self._stakes: dict[str, int] = {}
        self._runs: dict[bytes, RunRecord] = {}
        self._rounds: dict[bytes, list[RoundRecord]] = {}
        self._settled: list[tuple[RoundRecord, int]] = []
        self._claims: dict[str, tuple[int, Receipt]] = {}
        self._unclaimed_wei = 0
        self._block_number = 0

    @property
    def chain_id(self) -> int:
        """Id of the development chains: nothing here is worth anything either."""
        return MEMORY_CHAIN_ID

    @property
    def verifying_contract(self) -> str:
        """A fixed address at which no contract lives."""
        return MEMORY_CONTRACT

    def run_count(self) -> int:
        """See `Ledger.run_count`."""
        return len(self._runs)

    def open_run(
        self,
        run_id: bytes,
        settings_hash: bytes,
        seed_anchor: bytes,
        catalogue_hash: bytes,
        cohort_root: bytes,
    ) -> Receipt:
        """See `Ledger.open_run`."""
        content = (settings_hash, seed_anchor, catalogue_hash, cohort_root)
        known = self._runs.get(run_id)
        if known is not None:
            if content != (known.settings_hash, known.seed_anchor, known.catalogue_hash, known.cohort_root):
                raise LedgerConflict.over_run(run_id)
            return known.opened
        names = ("runId", "settingsHash", "seedAnchor", "catalogueHash", "cohortRoot")
        _require_hashes("openRun", dict(zip(names, (run_id, *content), strict=True)))
        record = RunRecord(run_id, *content, opened=self._mine())
        self._runs[run_id] = record
        self._rounds[run_id] = []
        return record.opened

    def open_round(self, run_id: bytes, server_round: int, model_hash: bytes) -> Receipt:
        """See `Ledger.open_round`."""
        known = self.round_record(run_id, server_round)
        if known is not None:
            if known.model_hash != model_hash:
                raise LedgerConflict.over_round(run_id, server_round, "another model hash")
            return known.opened
        call = "openRound"
        _require_hashes(call, {"modelHash": model_hash})
        rounds, phase = self._known_run(run_id, call)
        if phase is not Phase.SETTLED:
            raise ContractRefusal("WrongPhase", {"round": len(rounds), "phase": int(phase)}, call)
        if server_round != len(rounds) + 1:
            raise _out_of_order(server_round, len(rounds) + 1, call)
        previous = rounds[-1].round_hash if rounds else _run_hash(self._runs[run_id])
        hashed = opened_hash(previous, run_id, server_round, model_hash)
        rounds.append(RoundRecord(run_id, server_round, hashed, model_hash, opened=self._mine()))
        return rounds[-1].opened

    def commit_updates(self, run_id: bytes, server_round: int, commitment_root: bytes) -> Receipt:
        """See `Ledger.commit_updates`."""
        known = self.round_record(run_id, server_round)
        if known is not None and known.committed is not None:
            if known.commitment_root != commitment_root:
                raise LedgerConflict.over_round(run_id, server_round, "another commitment root")
            return known.committed
        _require_hashes("commitUpdates", {"commitmentRoot": commitment_root})
        record = self._current_round(run_id, server_round, Phase.OPEN, "commitUpdates")
        receipt = self._mine()
        self._rounds[run_id][-1] = replace(
            record,
            round_hash=committed_hash(record.round_hash, commitment_root),
            commitment_root=commitment_root,
            committed=receipt,
        )
        return receipt

    def settle_round(self, run_id: bytes, server_round: int, settlement: Settlement) -> Receipt:
        """See `Ledger.settle_round`."""
        known = self.round_record(run_id, server_round)
        if known is not None and known.settled is not None:
            if known.settlement != settlement:
                raise LedgerConflict.over_round(run_id, server_round, "another settlement")
            return known.settled
        call = "settleRound"
        _require_hashes(
            call,
            {
                "evidenceRoot": settlement.evidence_root,
                "reputationRoot": settlement.reputation_root,
                "rewardRoot": settlement.reward_root,
                "nextModelHash": settlement.next_model_hash,
            },
        )
        record = self._current_round(run_id, server_round, Phase.COMMITTED, call)
        if settlement.rewarded_wei > self._treasury_wei:
            values = {"haveWei": self._treasury_wei, "wantWei": settlement.rewarded_wei}
            raise ContractRefusal("TreasuryShort", dict(values), call)
        receipt = self._mine()
        record = replace(
            record,
            round_hash=settled_hash(record.round_hash, settlement),
            settlement=settlement,
            sequence=len(self._settled) + 1,
            settled=receipt,
        )
        self._treasury_wei -= settlement.rewarded_wei
        self._unclaimed_wei += settlement.rewarded_wei
        self._rounds[run_id][-1] = record
        self._settled.append((record, int(self._clock()) + self._challenge_window_seconds))
        return receipt

    def run_record(self, run_id: bytes) -> RunRecord | None:
        """See `Ledger.run_record`."""
        return self._runs.get(run_id)

    def round_record(self, run_id: bytes, server_round: int) -> RoundRecord | None:
        """See `Ledger.round_record`."""
        rounds = self._rounds.get(run_id, [])
        return rounds[server_round - 1] if 1 <= server_round <= len(rounds) else None

    def latest_settlement(self) -> RoundRecord | None:
        """See `Ledger.latest_settlement`."""
        return self._settled[-1][0] if self._settled else None

    def reward_root_of(self, sequence: int) -> bytes | None:
        """See `Ledger.reward_root_of`."""
        if not 1 <= sequence <= len(self._settled):
            return None
        settlement = self._settled[sequence - 1][0].settlement
        return None if settlement is None else settlement.reward_root

    def participants(self) -> tuple[str, ...]:
        """See `Ledger.participants`."""
        return tuple(sorted(self._stakes, key=str.lower))

    def minimum_stake_wei(self) -> int:
        """See `Ledger.minimum_stake_wei`."""
        return self._minimum_stake_wei

    def register_for(self, accounts: Sequence[str], stake_wei: int) -> Receipt | None:
        """See `Ledger.register_for`."""
        missing = [account for account in dict.fromkeys(accounts) if account not in self._stakes]
        if not missing:
            return None
        if stake_wei < self._minimum_stake_wei:
            values = {"account": missing[0], "stakeWei": stake_wei, "minimumWei": self._minimum_stake_wei}
            raise ContractRefusal("StakeTooLow", dict(values), "registerFor")
        self._spend(stake_wei * len(missing), "registerFor")
        self._stakes |= dict.fromkeys(missing, stake_wei)
        return self._mine()

    def fund(self, amount_wei: int) -> Receipt:
        """See `Ledger.fund`."""
        self._spend(amount_wei, "fund")
        self._treasury_wei += amount_wei
        return self._mine()

    def treasury_wei(self) -> int:
        """See `Ledger.treasury_wei`."""
        return self._treasury_wei

    def unclaimed_wei(self) -> int:
        """See `Ledger.unclaimed_wei`."""
        return self._unclaimed_wei

    def claim(self, sequence: int, index: int, account: str, cumulative_wei: int, proof: Sequence[bytes]) -> Receipt:
        """See `Ledger.claim`."""
        paid_wei, earlier = self._claims.get(account, (0, None))
        if earlier is not None and paid_wei == cumulative_wei:
            return earlier
        if not 1 <= sequence <= len(self._settled):
            raise ContractRefusal("SettlementUnknown", {"sequence": sequence}, "claim")
        record, claimable_at = self._settled[sequence - 1]
        if self._clock() < claimable_at:
            values: dict[str, object] = {"sequence": sequence, "claimableAt": claimable_at}
            raise ContractRefusal("NotYetClaimable", values, "claim")
        assert record.settlement is not None  # noqa: S101  only settled rounds are in the list
        if not verify_proof(reward_leaf(index, account, cumulative_wei), proof, record.settlement.reward_root):
            values = {"sequence": sequence, "index": index, "account": account, "cumulativeWei": cumulative_wei}
            raise ContractRefusal("ProofInvalid", values, "claim")
        amount_wei = cumulative_wei - paid_wei
        if amount_wei <= 0:
            raise ContractRefusal("NothingToClaim", {"account": account}, "claim")
        if amount_wei > self._unclaimed_wei:
            values = {"unclaimedWei": self._unclaimed_wei, "wantWei": amount_wei}
            raise ContractRefusal("RewardsExceeded", values, "claim")
        self._unclaimed_wei -= amount_wei
        self._balances[account] = self.balance_wei(account) + amount_wei
        receipt = self._mine()
        self._claims[account] = (cumulative_wei, receipt)
        return receipt

    def claimed_wei(self, account: str) -> int:
        """See `Ledger.claimed_wei`."""
        return self._claims[account][0] if account in self._claims else 0

    def balance_wei(self, account: str) -> int:
        """See `Ledger.balance_wei`."""
        return self._balances.get(account, 0)

    def _mine(self) -> Receipt:
        self._block_number += 1
        return Receipt(keccak(self._block_number.to_bytes(8, "big")), self._block_number, 0)

    def _spend(self, amount_wei: int, call: str) -> None:
        have_wei = self._balances[_OWNER]
        if amount_wei > have_wei:
            values: dict[str, object] = {"sender": _OWNER, "balance": have_wei, "needed": amount_wei}
            raise ContractRefusal("ERC20InsufficientBalance", values, call)
        self._balances[_OWNER] = have_wei - amount_wei

    def _known_run(self, run_id: bytes, call: str) -> tuple[list[RoundRecord], Phase]:
        """Return the run's rounds and the phase of the last; a run without rounds counts as settled."""
        if run_id not in self._runs:
            raise ContractRefusal("RunUnknown", {"runId": run_id}, call)
        rounds = self._rounds[run_id]
        return rounds, rounds[-1].phase if rounds else Phase.SETTLED

    def _current_round(self, run_id: bytes, server_round: int, expected: Phase, call: str) -> RoundRecord:
        rounds, phase = self._known_run(run_id, call)
        if server_round != len(rounds):
            raise _out_of_order(server_round, len(rounds), call)
        if phase is not expected:
            raise ContractRefusal("WrongPhase", {"round": server_round, "phase": int(phase)}, call)
        return rounds[-1]


def _run_hash(run: RunRecord) -> bytes:
    return run_hash(run.run_id, run.settings_hash, run.seed_anchor, run.catalogue_hash, run.cohort_root)


def _out_of_order(given: int, expected: int, call: str) -> ContractRefusal:
    return ContractRefusal("RoundOutOfOrder", {"given": given, "expected": expected}, call)


def _require_hashes(call: str, named: dict[str, bytes]) -> None:
    """A zero hash is what a forgotten value looks like: the contract refuses it too."""
    for name, value in named.items():
        if value == _NO_HASH:
            raise ContractRefusal("ZeroHash", {"name": name}, call)
