"""A ledger that has lost its last writes, as a killed development chain has, is told them again by the resumed run."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import CheckFailed, WrongUse
from server.memory_ledger import MemoryLedger
from server.run_folder import RunFolder
from server.run_recorder import RunRecorder
from server.told_again import tell_again
from tests.server.test_resume import Interrupted, outcome
from tests.small_federation import SETTINGS, WAD, SmallFederation, prepare

ROUNDS = 3
WRITES = ("open_run", "open_round", "commit_updates", "settle_round", "fund")


class Remembering:
    """A ledger, and what it was before each of its writes."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        self.earlier: list[MemoryLedger] = []

    def __getattr__(self, name: str) -> Any:
        if name in WRITES:
            self.earlier.append(copy.deepcopy(self.ledger))
        return getattr(self.ledger, name)


@pytest.fixture(scope="module")
def three_rounds(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    return prepare(tmp_path_factory.mktemp("participants"), replace(SETTINGS, rounds=ROUNDS))


def play_until_killed(federation: SmallFederation, folder: Path, ledger: MemoryLedger) -> list[MemoryLedger]:
    """Decide all rounds, and end before the last model is measured; return the ledger before each write."""

    def killed(*_: object) -> None:
        raise Interrupted

    remembering = Remembering(ledger)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(RunRecorder, "finish", killed)
        federation.play(folder, remembering)  # type: ignore[arg-type]
    return remembering.earlier


def test_whatever_the_ledger_has_lost_the_resumed_run_ends_as_if_undisturbed(
    three_rounds: SmallFederation, tmp_path: Path
) -> None:
    expected = outcome(three_rounds.play(tmp_path / "undisturbed"))
    losses = len(play_until_killed(three_rounds, tmp_path / "counted", three_rounds.ledger()))
    assert losses == 1 + 3 * ROUNDS
    for number in range(losses):
        folder = tmp_path / f"{number}"
        earlier = play_until_killed(three_rounds, folder, three_rounds.ledger())[number]
        assert outcome(three_rounds.play(folder, earlier)) == expected, f"the ledger has {number} writes"


def test_a_treasury_that_has_lost_its_money_is_filled_for_the_rounds_that_are_told_again(
    three_rounds: SmallFederation, tmp_path: Path
) -> None:
    reward_wei = three_rounds.settings.reward_per_round * WAD
    ledger = MemoryLedger(treasury_wei=0, owner_wei=2 * ROUNDS * reward_wei)
    ledger.register_for([account.address for account in three_rounds.accounts], 0)
    empty, *_ = play_until_killed(three_rounds, tmp_path, ledger)
    assert empty.treasury_wei() == 0
    played = three_rounds.play(tmp_path, empty)
    assert played.report["ledger"]["verified"]
    assert played.ledger.unclaimed_wei() == sum(
        int(wei) for row in played.report["rounds"] for wei in row["reward"].values()
    )


def test_a_run_whose_settlements_the_ledger_has_all_lost_goes_on_after_an_earlier_run(
    three_rounds: SmallFederation, tmp_path: Path
) -> None:
    """The ledger's last settlement is then another run's, and the rewards file knows later ones."""

    def play_second(name: str, *, lose: bool) -> dict[str, Any]:
        folder = tmp_path / name
        ledger = three_rounds.ledger()
        three_rounds.play(folder, ledger)
        (folder / "checkpoint" / "state.json").unlink()  # the coordinator's folder stays, as in a held federation
        earlier = play_until_killed(three_rounds, folder, ledger)
        return outcome(three_rounds.play(folder, earlier[0] if lose else ledger))

    assert play_second("lost", lose=True) == play_second("kept", lose=False)


def test_altered_evidence_is_not_told_again(three_rounds: SmallFederation, tmp_path: Path) -> None:
    earlier = play_until_killed(three_rounds, tmp_path, three_rounds.ledger())[1]
    run_id = RunFolder(tmp_path).load_checkpoint().run_id  # type: ignore[union-attr]
    for evidence in (b"{", b"[]", b"{}", b'{"model": "00"}'):
        with pytest.raises((CheckFailed, WrongUse), match="evidence of round 1 was altered"):
            tell_again(earlier, run_id, 1, evidence)
    assert earlier.round_record(run_id, 1) is None
