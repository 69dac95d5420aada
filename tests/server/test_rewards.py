"""What a ledger has paid is known to its next run, or that run does not begin."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from common.errors import WrongUse
from server.federation import (
    Federation,
    earned_before,
    load_federation,
    read_rewards,
    rewards_beside,
    save_federation,
    save_rewards,
)
from server.ledger import Receipt, RoundRecord
from server.memory_ledger import MemoryLedger
from tests.small_federation import WAD, SmallFederation

RECEIPT = Receipt(bytes(32), 1, 21_000)
TOTALS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2**128))


def settled(sequence: int) -> RoundRecord:
    return RoundRecord(bytes(32), 1, bytes(32), bytes(32), RECEIPT, sequence=sequence)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return rewards_beside(tmp_path / "ledger.json")


def test_rewards_lie_beside_the_contracts_each_ledger_its_own(tmp_path: Path) -> None:
    names = [rewards_beside(tmp_path / name).name for name in ("sepolia.json", "local.json", "ledger")]
    assert names == ["sepolia.rewards.json", "local.rewards.json", "ledger.rewards.json"]


def test_a_run_with_contracts_of_its_own_keeps_the_rewards_in_the_coordinators_folder(tmp_path: Path) -> None:
    own = Federation(
        5, bytes(32), (bytes(32),), {}, Settings(), "external", tmp_path / "coordinator", development=False
    )
    given_ones = replace(own, given_deployment=tmp_path / "contracts" / "sepolia.json")
    assert own.rewards_file == tmp_path / "coordinator" / "deployment.rewards.json"
    assert given_ones.rewards_file == tmp_path / "contracts" / "sepolia.rewards.json"
    for federation in (own, given_ones):
        save_federation(federation, bytes(32))
        assert load_federation(tmp_path / "coordinator") == federation


def test_the_first_run_of_a_ledger_knows_nothing_and_needs_to_know_nothing(path: Path) -> None:
    assert read_rewards(path) == (0, {})
    assert earned_before(path, None) == {}
    assert not path.exists()


def test_the_next_run_knows_what_was_earned(path: Path) -> None:
    save_rewards(path, 3, {"a": 10**30, "b": 5})
    assert earned_before(path, settled(3)) == {"a": 10**30, "b": 5}


@pytest.mark.parametrize(
    ("known", "words"),
    [(3, "knows 3; copy"), (0, "is missing; copy"), (5, "knows 5: the chain has lost some; restore")],
)
def test_a_run_that_would_take_rewards_away_does_not_begin(path: Path, known: int, words: str) -> None:
    if known:
        save_rewards(path, known, {"a": 5})
    with pytest.raises(WrongUse, match=f"^The ledger has 4 settlements, but {path}, .*, {words}"):
        earned_before(path, settled(4))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"sequence": 1, "cumulative_wei": {"a": "ten"}}', b"\xff"])
def test_a_damaged_file_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(WrongUse, match=r"^The rewards in .*ledger\.rewards\.json cannot be read"):
        read_rewards(path)


@given(first=TOTALS, second=TOTALS, sequences=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_totals_never_shrink_and_nobody_is_forgotten(
    first: dict[str, int], second: dict[str, int], sequences: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "shared.rewards.json"
    path.unlink(missing_ok=True)
    save_rewards(path, sequences[0], first)
    save_rewards(path, sequences[1], second)
    sequence, totals = read_rewards(path)
    assert sequence == max(sequences)
    assert totals == {account: max(first.get(account, 0), second.get(account, 0)) for account in first | second}
    assert all(isinstance(wei, str) for wei in json.loads(path.read_bytes())["cumulative_wei"].values())


def test_the_coordinator_fills_the_treasury_for_the_rounds_to_come(small: SmallFederation, tmp_path: Path) -> None:
    """The launcher filled it for a federation's first run only."""
    promised_wei = small.settings.rounds * small.settings.reward_per_round * WAD
    ledger = MemoryLedger(treasury_wei=promised_wei - 1, owner_wei=promised_wei)
    ledger.register_for([account.address for account in small.accounts], 0)
    small.play(tmp_path, ledger)
    assert ledger.treasury_wei() + ledger.unclaimed_wei() == promised_wei
