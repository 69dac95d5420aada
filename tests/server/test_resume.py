"""A run that is interrupted anywhere and started again ends as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client.app import build_app
from common.errors import CheckFailed, WrongUse
from server import federation, run_folder
from server.ledger import Ledger, LedgerConflict
from server.memory_ledger import MemoryLedger
from server.run_folder import RunFolder
from tests.small_federation import PlayedRun, SmallFederation, prepare, with_settings

WRITES = ("open_run", "open_round", "commit_updates", "settle_round")
TIMES = ("seconds", "train_seconds", "score_seconds", "settle_seconds")
NOT_COMPARED = ("report.json", "report.html", "state.json")  # they hold times, and are compared by content above
FAILING = (1, 4)  # two clients that always fail, so that the order in which failures come in matters


class Interrupted(BaseException):
    """What a kill looks like from inside."""


class Fuse:
    """Counts a run's steps, each a file written or a ledger call, and interrupts after one, by number or by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int | str | None = None) -> None:
        self.steps: list[str] = []
        self._after = after
        for module in (run_folder, federation):
            monkeypatch.setattr(module, "write_atomically", self._counted(run_folder_write, lambda path, *_: path.name))

    def wrap(self, ledger: MemoryLedger) -> Ledger:
        counted = _CountedLedger(ledger)
        for name in WRITES:
            setattr(counted, name, self._counted(getattr(ledger, name), lambda *_, name=name: name))
        return counted  # type: ignore[return-value]

    def _counted(self, call: Callable[..., Any], name_of: Callable[..., str]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            self.steps.append(name_of(*args))
            if self._after in (len(self.steps), self.steps[-1]):
                raise Interrupted(self.steps[-1])
            return result

        return counted


run_folder_write = run_folder.write_atomically


class _CountedLedger:
    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def failing(message: Any, context: Any, honest: Any) -> Any:
    raise OSError(f"node {context.node_id} has no disk")


def outcome(run: PlayedRun) -> dict[str, Any]:
    """Everything that must not depend on where a run was interrupted: all but times."""
    report = run.report
    run_id = bytes.fromhex(report["ledger"]["run_id"])
    rounds = range(1, len(report["rounds"]) + 1)
    folder = RunFolder(run.folder)
    return {
        "report": report | {"rounds": [{key: row[key] for key in row if key not in TIMES} for row in report["rounds"]]},
        "run": run.ledger.run_record(run_id),
        "rounds": [run.ledger.round_record(run_id, server_round) for server_round in rounds],
        "evidence": [folder.get_evidence(server_round) for server_round in rounds],
        "treasury": (run.ledger.treasury_wei(), run.ledger.unclaimed_wei()),
        "files": {
            str(path.relative_to(run.folder)): None
            if path.name in ("report.json", "report.html", "state.json", "status.json")
            else path.read_bytes()
            for path in sorted(run.folder.rglob("*"))
            if path.is_file()
        },
    }


def test_a_run_interrupted_after_any_step_ends_as_if_undisturbed(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(name: str, ledger: MemoryLedger, after: int | None = None) -> tuple[Fuse, PlayedRun | None]:
        with monkeypatch.context() as patched:
            fuse = Fuse(patched, after)
            try:
                return fuse, small.play(tmp_path / name, fuse.wrap(ledger), acts=dict.fromkeys(FAILING, failing))
            except Interrupted:
                return fuse, None

    fuse, undisturbed = play("undisturbed", small.ledger())
    assert undisturbed is not None
    expected = outcome(undisturbed)
    counts = {step: fuse.steps.count(step) for step in (*WRITES, "round-0001.json", "received-0002.json", "state.json")}
    assert counts == {
        "open_run": 1,
        "open_round": 2,
        "commit_updates": 2,
        "settle_round": 2,
        "round-0001.json": 1,
        "received-0002.json": 1,
        "state.json": 6,
    }
    for after in range(1, len(fuse.steps) + 1):
        ledger = small.ledger()
        interrupted, finished = play(f"{after}", ledger, after)
        assert finished is None
        assert interrupted.steps == fuse.steps[:after]
        _, resumed = play(f"{after}", ledger)
        assert resumed is not None
        assert outcome(resumed) == expected, f"interrupted after step {after}, {fuse.steps[after - 1]}"


def test_a_run_interrupted_again_and_again_ends_as_if_undisturbed(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = outcome(small.play(tmp_path / "undisturbed"))
    ledger = small.ledger()
    for after in range(9, 40, 3):  # each attempt comes a little further
        with monkeypatch.context() as patched, pytest.raises(Interrupted):
            small.play(tmp_path / "resumed", Fuse(patched, after).wrap(ledger))
        if RunFolder(tmp_path / "resumed").load_checkpoint().settled_rounds == 2:  # type: ignore[union-attr]
            break
    assert outcome(small.play(tmp_path / "resumed", ledger)) == expected


def test_clients_that_keep_their_replies_answer_a_resumed_round_from_other_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart the SuperLink gives every node a new id; replies that were signed before must still count."""
    small = prepare(tmp_path / "participants")
    expected = outcome(small.play(tmp_path / "undisturbed"))
    ledger = small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path / "resumed", Fuse(patched, "commit_updates").wrap(ledger), app=build_app())
    resumed = small.play(tmp_path / "resumed", ledger, app=build_app(), client_dirs=small.client_dirs[::-1])
    assert outcome(resumed) == expected


def test_a_resumed_round_keeps_the_updates_of_a_client_that_has_gone(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "commit_updates").wrap(ledger))
    resumed = small.play(tmp_path, ledger, acts={1: failing}).evidence(1)
    undisturbed = small.play(tmp_path.with_name("undisturbed")).evidence(1)
    assert resumed["commitments"] == undisturbed["commitments"]
    gone = small.accounts[1].address
    assert all((int(one["weight_wad"]) > 0) == (one["account"] != gone) for one in resumed["judgements"])
    assert [one["reason"] for one in resumed["rejected"]] == ["no scores: it has gone since the round began"]


def test_altered_updates_of_an_interrupted_round_are_one_sentence(
    small: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = small.ledger()
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        small.play(tmp_path, Fuse(patched, "commit_updates").wrap(ledger))
    path = tmp_path / "objects" / "updates" / "received-0001.json"
    path.write_bytes(path.read_bytes().replace(b'"salt"', b'"sald"', 1))
    with pytest.raises(CheckFailed, match=r"The updates of round 1 in .* were altered .*; restore them from a backup"):
        small.play(tmp_path, ledger)


def test_a_finished_run_started_again_plays_nothing_and_reports_the_same(
    small: SmallFederation, tmp_path: Path
) -> None:
    ledger = small.ledger()
    expected = outcome(small.play(tmp_path, ledger))
    assert outcome(small.play(tmp_path, ledger)) == expected


def test_altered_evidence_is_not_called_verified(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    small.play(tmp_path, ledger)
    path = tmp_path / "evidence" / "round-0001.json"
    path.write_bytes(path.read_bytes().replace(b'"weight_wad":"', b'"weight_wad":"1', 1))
    assert small.play(tmp_path, ledger).report["ledger"]["verified"] is False


def test_a_run_does_not_go_on_with_an_altered_model(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    run = small.play(tmp_path, ledger)
    model = tmp_path / "objects" / run.report["rounds"][-1]["model"]
    model.write_bytes(model.read_bytes() + b"\x00")
    with pytest.raises(CheckFailed, match="was altered"):
        small.play(tmp_path, ledger)


def test_a_run_does_not_go_on_with_other_settings(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    small.play(tmp_path, ledger)
    with pytest.raises(LedgerConflict, match="with other settings; start a new run"):
        small.play(tmp_path, ledger, settings=with_settings(small, kappa=1.0))


def test_fewer_registered_accounts_than_clients_are_wrong_use(small: SmallFederation, tmp_path: Path) -> None:
    ledger = MemoryLedger(treasury_wei=10**24)
    ledger.register_for([small.accounts[0].address], 0)
    with pytest.raises(WrongUse, match="1 accounts are registered, but --clients is 5"):
        small.play(tmp_path, ledger)
    assert ledger.run_count() == 0
    assert not tmp_path.joinpath("checkpoint").exists()
