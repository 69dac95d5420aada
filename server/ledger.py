"""What the coordinator asks of a ledger: a run, its rounds, their settlements, and the rewards.

Three implementations keep these rules: `server/memory_ledger.py` in plain Python and `server/chain.py`, which
talks to any JSON-RPC chain (an embedded EVM, Anvil, or one given by URL). One test suite runs over all of them.

Conventions: accounts are checksum addresses, hashes are 32 bytes, amounts are in wei of the reward token, rounds
count from 1. **Every write can be repeated.** The same call again changes nothing and returns the receipt of the
first; the same (run, round, step) with other content raises `LedgerConflict`. What the contracts refuse raises
`contracts.refusal.ContractRefusal` with the name and values of the contract's error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from common.errors import TfedrsError


class LedgerConflict(TfedrsError):
    """The ledger already holds something else under the same run and round; nothing was written."""

    @classmethod
    def over_run(cls, run_id: bytes) -> "LedgerConflict":
        """Return the error for a run that is open with other content."""
        return cls(f"The ledger holds run 0x{run_id.hex()} with other settings; start a new run.")

    @classmethod
    def over_round(cls, run_id: bytes, server_round: int, held: str) -> "LedgerConflict":
        """Return the error for a round for which the ledger holds `held`, such as "another model hash"."""
        return cls(
            f"The ledger holds {held} for round {server_round} of run 0x{run_id.hex()}; "
            "resume from that round's checkpoint, or start a new run."
        )


class Phase(IntEnum):
    """How far a round has come, numbered as in the contract."""

    NONE = 0
    OPEN = 1
    COMMITTED = 2
    SETTLED = 3


@dataclass(frozen=True)
class Receipt:
    """The transaction that wrote something. The memory ledger numbers its writes as blocks and spends no gas."""

    transaction_hash: bytes
    block_number: int
    gas_used: int


@dataclass(frozen=True)
class RunRecord:
    """What is fixed when a run opens. Every field but the receipt is 32 bytes."""

    run_id: bytes
    settings_hash: bytes
    seed_anchor: bytes
    """s_0, the end of the coordinator's hash chain of seeds."""
    catalogue_hash: bytes
    cohort_root: bytes
    """Merkle root over (index, account) of the run's clients."""
    opened: Receipt


@dataclass(frozen=True)
class Settlement:
    """How a round ended."""

    evidence_root: bytes
    reputation_root: bytes
    reward_root: bytes
    """Merkle root over (index, account, cumulativeWei); cumulative over all runs of the ledger."""
    next_model_hash: bytes
    rewarded_wei: int
    """What this round adds to the rewards, in [0, 2^128)."""


@dataclass(frozen=True)
class RoundRecord:
    """One round as the ledger tells it, read from its events; fields of steps not yet taken are None."""

    run_id: bytes
    server_round: int
    round_hash: bytes
    """The contract's hash over the steps taken so far; the events were checked against it."""
    model_hash: bytes
    opened: Receipt
    commitment_root: bytes | None = None
    committed: Receipt | None = None
    settlement: Settlement | None = None
    sequence: int | None = None
    """The settlement's number, from 1, over all runs of the ledger; `claim` names it."""
    settled: Receipt | None = None

    @property
    def phase(self) -> Phase:
        """The last step taken."""
        if self.settlement is not None:
            return Phase.SETTLED
        return Phase.OPEN if self.commitment_root is None else Phase.COMMITTED

    @property
    def gas_used(self) -> int:
        """Gas of the round's steps together: open, commit, settle."""
        return sum(step.gas_used for step in (self.opened, self.committed, self.settled) if step is not None)


class Ledger(Protocol):
    """The public record. Every method may raise `EnvironmentFailure` when the chain does not answer."""

    @property
    def chain_id(self) -> int:
        """The chain's id, read live: part of every EIP-712 domain."""

    @property
    def verifying_contract(self) -> str:
        """Address of the RoundLedger, the other part of the EIP-712 domain."""

    def run_count(self) -> int:
        """How many runs this ledger has opened."""

    def open_run(
        self,
        run_id: bytes,
        settings_hash: bytes,
        seed_anchor: bytes,
        catalogue_hash: bytes,
        cohort_root: bytes,
    ) -> Receipt:
        """Fix a run's settings, seed anchor, catalogue and cohort."""

    def open_round(self, run_id: bytes, server_round: int, model_hash: bytes) -> Receipt:
        """Open the round after the last settled one, which sends the model of this hash.

        Raises:
            ContractRefusal: the run is unknown (RunUnknown), the last round is not settled (WrongPhase), or
                another round is due (RoundOutOfOrder).
        """

    def commit_updates(self, run_id: bytes, server_round: int, commitment_root: bytes) -> Receipt:
        """Record the root over the round's commitments, before any update is shown to another client."""

    def settle_round(self, run_id: bytes, server_round: int, settlement: Settlement) -> Receipt:
        """End the round and promise its rewards.

        Raises:
            ContractRefusal: the round has no commitment root, or the treasury cannot pay (TreasuryShort).
        """

    def run_record(self, run_id: bytes) -> RunRecord | None:
        """Return the run as it was opened, or None."""

    def round_record(self, run_id: bytes, server_round: int) -> RoundRecord | None:
        """Return the round as far as it has come, or None where it was never opened.

        Raises:
            CheckFailed: the events do not hash to what the contract stores.
        """

    def latest_settlement(self) -> RoundRecord | None:
        """Return the settled round with the highest sequence over all runs, or None."""

    def reward_root_of(self, sequence: int) -> bytes | None:
        """Return the reward root of the settlement of that number, or None where there is none."""

    def participants(self) -> tuple[str, ...]:
        """All registered accounts, ascending by their bytes."""

    def minimum_stake_wei(self) -> int:
        """The least stake the registry takes for one participant."""

    def register_for(self, accounts: Sequence[str], stake_wei: int) -> Receipt | None:
        """Register the accounts not yet registered, the sender paying `stake_wei` for each.

        Returns:
            None where every account was registered already.
        """

    def fund(self, amount_wei: int) -> Receipt:
        """Move the sender's tokens into the treasury. The one write that adds up when it is called twice."""

    def treasury_wei(self) -> int:
        """What can still be promised: the ledger's tokens that no settlement has spoken for."""

    def unclaimed_wei(self) -> int:
        """What settlements have promised and nobody has claimed yet."""

    def claim(self, sequence: int, index: int, account: str, cumulative_wei: int, proof: Sequence[bytes]) -> Receipt:
        """Pay the account what the settlement grants it beyond its earlier claims.

        Args:
            sequence: The settlement's number.
            index: The account's place in the reward tree.
            account: Receives the tokens, whoever calls.
            cumulative_wei: All it has earned up to this settlement.
            proof: Siblings from the leaf up, for the settlement's reward root.

        Returns:
            The receipt; claiming the same total again pays nothing and returns the first claim's.

        Raises:
            ContractRefusal: the proof is wrong, the challenge window is open, or a later total was claimed already.
        """

    def claimed_wei(self, account: str) -> int:
        """What the account has collected so far."""

    def balance_wei(self, account: str) -> int:
        """The account's reward tokens."""
