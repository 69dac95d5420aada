"""What every ledger must do. Subclasses say which ledger; the tests are the same for all."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from eth_account import Account

from common.merkle import merkle_proof, merkle_root, reward_leaf
from contracts.refusal import ContractRefusal
from server.ledger import Ledger, LedgerConflict, Phase, Settlement
from server.round_hash import run_hash

TREASURY_WEI = 10**24
MINIMUM_STAKE_WEI = 10**18
WINDOW_SECONDS = 3600


@dataclass(frozen=True)
class WindowedLedger:
    """A ledger with a challenge window of WINDOW_SECONDS, and a way to let time pass on its chain."""

    ledger: Ledger
    pass_seconds: Callable[[int], None]


def some_hash() -> bytes:
    return secrets.token_bytes(32)


def some_accounts(count: int) -> list[str]:
    return sorted((str(Account.create().address) for _ in range(count)), key=str.lower)


def some_settlement(rewarded_wei: int = 0, reward_root: bytes | None = None) -> Settlement:
    return Settlement(some_hash(), some_hash(), reward_root or some_hash(), some_hash(), rewarded_wei)


def open_some_run(ledger: Ledger) -> bytes:
    run_id = some_hash()
    ledger.open_run(run_id, some_hash(), some_hash(), some_hash(), some_hash())
    return run_id


def settle_some_round(ledger: Ledger, run_id: bytes, server_round: int, settlement: Settlement) -> int:
    """Take a round through all steps; return the settlement's sequence."""
    ledger.open_round(run_id, server_round, some_hash())
    ledger.commit_updates(run_id, server_round, some_hash())
    ledger.settle_round(run_id, server_round, settlement)
    record = ledger.round_record(run_id, server_round)
    assert record is not None
    assert record.sequence is not None
    return record.sequence


@dataclass(frozen=True)
class RewardTree:
    """Cumulative rewards of some accounts, as a settlement fixes them."""

    accounts: list[str]
    totals: list[int]

    @property
    def leaves(self) -> list[bytes]:
        return [
            reward_leaf(index, account, total)
            for index, (account, total) in enumerate(zip(self.accounts, self.totals, strict=True))
        ]

    @property
    def root(self) -> bytes:
        return merkle_root(self.leaves)

    def claim(self, ledger: Ledger, sequence: int, index: int) -> None:
        proof = merkle_proof(self.leaves, index)
        ledger.claim(sequence, index, self.accounts[index], self.totals[index], proof)


class LedgerSuite:
    """Tests of `server.ledger.Ledger`; they share a ledger, so each works in a run of its own."""

    @pytest.fixture
    def ledger(self) -> Iterator[Ledger]:
        raise NotImplementedError

    @pytest.fixture
    def windowed(self) -> Iterator[WindowedLedger]:
        raise NotImplementedError

    # A run and its rounds

    def test_a_round_is_read_back_as_it_was_written(self, ledger: Ledger) -> None:
        run_id, model_hash, root = open_some_run(ledger), some_hash(), some_hash()
        settlement = some_settlement(rewarded_wei=7)
        opened = ledger.open_round(run_id, 1, model_hash)
        committed = ledger.commit_updates(run_id, 1, root)
        settled = ledger.settle_round(run_id, 1, settlement)

        record = ledger.round_record(run_id, 1)
        assert record is not None
        assert (record.run_id, record.server_round, record.phase) == (run_id, 1, Phase.SETTLED)
        assert (record.model_hash, record.commitment_root, record.settlement) == (model_hash, root, settlement)
        assert (record.opened, record.committed, record.settled) == (opened, committed, settled)
        assert opened.block_number < committed.block_number < settled.block_number
        assert ledger.latest_settlement() == record

    def test_a_round_is_readable_after_every_step(self, ledger: Ledger) -> None:
        run_id = open_some_run(ledger)
        assert ledger.round_record(run_id, 1) is None
        ledger.open_round(run_id, 1, some_hash())
        record = ledger.round_record(run_id, 1)
        assert record is not None
        assert (record.phase, record.commitment_root, record.sequence) == (Phase.OPEN, None, None)
        ledger.commit_updates(run_id, 1, some_hash())
        record = ledger.round_record(run_id, 1)
        assert record is not None
        assert (record.phase, record.settlement) == (Phase.COMMITTED, None)

    def test_sequences_count_over_all_runs(self, ledger: Ledger) -> None:
        first, second = open_some_run(ledger), open_some_run(ledger)
        start = settle_some_round(ledger, first, 1, some_settlement())
        assert settle_some_round(ledger, second, 1, some_settlement()) == start + 1
        assert settle_some_round(ledger, first, 2, some_settlement()) == start + 2

    def test_a_settlement_is_found_by_its_number(self, ledger: Ledger) -> None:
        settlement = some_settlement()
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, settlement)
        assert ledger.reward_root_of(sequence) == settlement.reward_root
        assert ledger.reward_root_of(sequence + 1) is None
        assert ledger.reward_root_of(0) is None

    def test_a_run_is_read_back_and_counted(self, ledger: Ledger) -> None:
        before = ledger.run_count()
        run_id, content = some_hash(), tuple(some_hash() for _ in range(4))
        assert ledger.run_record(run_id) is None
        receipt = ledger.open_run(run_id, *content)
        record = ledger.run_record(run_id)
        assert record is not None
        assert record.opened == receipt
        assert content == (
            record.settings_hash,
            record.seed_anchor,
            record.catalogue_hash,
            record.cohort_root,
        )
        assert ledger.run_count() == before + 1

    def test_round_hashes_chain_from_the_opening_of_the_run(self, ledger: Ledger) -> None:
        run_id, content = some_hash(), tuple(some_hash() for _ in range(4))
        ledger.open_run(run_id, *content)
        hashes = {run_hash(run_id, *content)}
        for server_round in (1, 2):
            settle_some_round(ledger, run_id, server_round, some_settlement())
            record = ledger.round_record(run_id, server_round)
            assert record is not None
            hashes.add(record.round_hash)
        assert len(hashes) == 3

    # Order and phases

    def test_steps_out_of_order_are_refused(self, ledger: Ledger) -> None:
        run_id = open_some_run(ledger)
        with refused("RoundOutOfOrder", given=2, expected=1):
            ledger.open_round(run_id, 2, some_hash())
        with refused("RoundOutOfOrder", given=1, expected=0):
            ledger.commit_updates(run_id, 1, some_hash())
        ledger.open_round(run_id, 1, some_hash())
        with refused("WrongPhase", round=1, phase=Phase.OPEN):
            ledger.settle_round(run_id, 1, some_settlement())
        with refused("WrongPhase", round=1, phase=Phase.OPEN):
            ledger.open_round(run_id, 2, some_hash())
        ledger.commit_updates(run_id, 1, some_hash())
        with refused("WrongPhase", round=1, phase=Phase.COMMITTED):
            ledger.open_round(run_id, 2, some_hash())
        with refused("RoundOutOfOrder", given=2, expected=1):
            ledger.settle_round(run_id, 2, some_settlement())

    def test_an_unknown_run_is_refused(self, ledger: Ledger) -> None:
        run_id = some_hash()
        assert ledger.round_record(run_id, 1) is None
        with refused("RunUnknown", runId=run_id):
            ledger.open_round(run_id, 1, some_hash())

    def test_a_forgotten_hash_is_refused(self, ledger: Ledger) -> None:
        with refused("ZeroHash", name="seedAnchor"):
            ledger.open_run(some_hash(), some_hash(), bytes(32), some_hash(), some_hash())
        run_id = open_some_run(ledger)
        with refused("ZeroHash", name="modelHash"):
            ledger.open_round(run_id, 1, bytes(32))
        ledger.open_round(run_id, 1, some_hash())
        with refused("ZeroHash", name="commitmentRoot"):
            ledger.commit_updates(run_id, 1, bytes(32))
        ledger.commit_updates(run_id, 1, some_hash())
        with refused("ZeroHash", name="rewardRoot"):
            ledger.settle_round(run_id, 1, replace(some_settlement(), reward_root=bytes(32)))

    # Repeating

    def test_a_repeated_write_returns_the_first_receipt(self, ledger: Ledger) -> None:
        run_id, content = some_hash(), tuple(some_hash() for _ in range(4))
        model_hash, root, settlement = some_hash(), some_hash(), some_settlement(rewarded_wei=3)
        steps: list[Callable[[], object]] = [
            lambda: ledger.open_run(run_id, *content),
            lambda: ledger.open_round(run_id, 1, model_hash),
            lambda: ledger.commit_updates(run_id, 1, root),
            lambda: ledger.settle_round(run_id, 1, settlement),
        ]
        first = [step() for step in steps]
        treasury, runs = ledger.treasury_wei(), ledger.run_count()
        # Also the early steps, which are long past: a coordinator resumes from wherever its checkpoint is.
        assert [step() for step in steps] == first
        assert (ledger.treasury_wei(), ledger.run_count()) == (treasury, runs)

    def test_other_content_for_a_written_step_is_a_conflict(self, ledger: Ledger) -> None:
        run_id, content = some_hash(), tuple(some_hash() for _ in range(4))
        ledger.open_run(run_id, *content)
        for changed in range(4):
            with pytest.raises(LedgerConflict):
                ledger.open_run(run_id, *(some_hash() if i == changed else content[i] for i in range(4)))
        settlement = some_settlement(rewarded_wei=5)
        settle_some_round(ledger, run_id, 1, settlement)
        with pytest.raises(LedgerConflict, match="another model hash for round 1"):
            ledger.open_round(run_id, 1, some_hash())
        with pytest.raises(LedgerConflict, match="another commitment root"):
            ledger.commit_updates(run_id, 1, some_hash())
        for other in (replace(settlement, rewarded_wei=6), replace(settlement, evidence_root=some_hash())):
            with pytest.raises(LedgerConflict, match="another settlement"):
                ledger.settle_round(run_id, 1, other)

    # Rewards

    def test_accounts_claim_what_their_proofs_show(self, ledger: Ledger) -> None:
        tree = RewardTree(some_accounts(5), [10, 20, 30, 40, 50])
        treasury, unclaimed = ledger.treasury_wei(), ledger.unclaimed_wei()
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(150, tree.root))
        assert (ledger.treasury_wei(), ledger.unclaimed_wei()) == (treasury - 150, unclaimed + 150)
        for index in range(5):
            tree.claim(ledger, sequence, index)
        assert [ledger.balance_wei(account) for account in tree.accounts] == tree.totals
        assert [ledger.claimed_wei(account) for account in tree.accounts] == tree.totals
        assert (ledger.treasury_wei(), ledger.unclaimed_wei()) == (treasury - 150, unclaimed)

    def test_claiming_twice_pays_once(self, ledger: Ledger) -> None:
        tree = RewardTree(some_accounts(2), [10, 20])
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(30, tree.root))
        proof = merkle_proof(tree.leaves, 1)
        first = ledger.claim(sequence, 1, tree.accounts[1], 20, proof)
        assert ledger.claim(sequence, 1, tree.accounts[1], 20, proof) == first
        assert ledger.balance_wei(tree.accounts[1]) == 20

    def test_a_later_claim_collects_the_rounds_between(self, ledger: Ledger) -> None:
        run_id, accounts = open_some_run(ledger), some_accounts(3)
        early, late = RewardTree(accounts, [10, 0, 5]), RewardTree(accounts, [30, 8, 5])
        first = settle_some_round(ledger, run_id, 1, some_settlement(15, early.root))
        early.claim(ledger, first, 0)
        second = settle_some_round(ledger, run_id, 2, some_settlement(28, late.root))
        late.claim(ledger, second, 0)
        late.claim(ledger, second, 1)
        assert [ledger.balance_wei(account) for account in accounts] == [30, 8, 0]
        with refused("NothingToClaim", account=accounts[0]):
            early.claim(ledger, first, 0)

    def test_a_wrong_proof_is_refused(self, ledger: Ledger) -> None:
        tree = RewardTree(some_accounts(4), [1, 2, 3, 4])
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(10, tree.root))
        proof = merkle_proof(tree.leaves, 2)
        account = tree.accounts[2]
        for claim in (
            (sequence, 2, account, 4, proof),
            (sequence, 1, account, 3, proof),
            (sequence, 2, tree.accounts[1], 3, proof),
            (sequence, 2, account, 3, proof[:-1]),
        ):
            with refused("ProofInvalid"):
                ledger.claim(*claim)
        unknown = sequence + 1000
        with refused("SettlementUnknown", sequence=unknown):
            ledger.claim(unknown, 2, account, 3, proof)
        assert ledger.claimed_wei(account) == 0

    def test_a_settlement_beyond_the_treasury_is_refused(self, ledger: Ledger) -> None:
        run_id = open_some_run(ledger)
        ledger.open_round(run_id, 1, some_hash())
        ledger.commit_updates(run_id, 1, some_hash())
        have = ledger.treasury_wei()
        with refused("TreasuryShort", haveWei=have, wantWei=have + 1):
            ledger.settle_round(run_id, 1, some_settlement(have + 1))
        ledger.fund(9)
        assert ledger.treasury_wei() == have + 9
        ledger.settle_round(run_id, 1, some_settlement(1))

    def test_a_tree_that_promises_more_than_was_rewarded_pays_no_more(self, ledger: Ledger) -> None:
        greedy = ledger.unclaimed_wei() + 11
        tree = RewardTree(some_accounts(1), [greedy])
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(10, tree.root))
        with refused("RewardsExceeded", unclaimedWei=greedy - 1, wantWei=greedy):
            tree.claim(ledger, sequence, 0)

    def test_claims_wait_for_the_challenge_window(self, windowed: WindowedLedger) -> None:
        ledger, tree = windowed.ledger, RewardTree(some_accounts(2), [4, 6])
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(10, tree.root))
        with refused("NotYetClaimable", sequence=sequence):
            tree.claim(ledger, sequence, 0)
        windowed.pass_seconds(WINDOW_SECONDS + 5)
        tree.claim(ledger, sequence, 0)
        assert ledger.balance_wei(tree.accounts[0]) == 4

    # Participants

    def test_accounts_are_registered_once(self, ledger: Ledger) -> None:
        accounts = some_accounts(3)
        assert ledger.register_for(accounts[:2], MINIMUM_STAKE_WEI) is not None
        assert ledger.register_for(accounts, MINIMUM_STAKE_WEI) is not None
        assert ledger.register_for(accounts, MINIMUM_STAKE_WEI) is None
        everybody = ledger.participants()
        assert set(accounts) <= set(everybody)
        pairs = itertools.pairwise(everybody)
        assert all(int(first, 16) < int(second, 16) for first, second in pairs)

    def test_a_stake_below_the_minimum_is_refused(self, ledger: Ledger) -> None:
        (account,) = some_accounts(1)
        assert ledger.minimum_stake_wei() == MINIMUM_STAKE_WEI
        with refused("StakeTooLow", account=account, stakeWei=1, minimumWei=MINIMUM_STAKE_WEI):
            ledger.register_for([account], 1)
        assert account not in ledger.participants()


class refused:  # noqa: N801  reads as a phrase
    """Expect a ContractRefusal of this name, with at least these values."""

    def __init__(self, error_name: str, /, **values: object) -> None:
        self._name = error_name
        self._values = values
        self._raises = pytest.raises(ContractRefusal)

    def __enter__(self) -> None:
        self._caught = self._raises.__enter__()

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        suppressed = bool(self._raises.__exit__(kind, error, trace))  # type: ignore[arg-type]
        refusal = self._caught.value
        assert refusal.name == self._name
        folded = {key: _fold(value) for key, value in refusal.values.items()}
        assert {key: folded.get(key) for key in self._values} == {k: _fold(v) for k, v in self._values.items()}
        return suppressed


def _fold(value: object) -> object:
    """Addresses come back in lower case from the chain's errors."""
    return value.lower() if isinstance(value, str) else value
