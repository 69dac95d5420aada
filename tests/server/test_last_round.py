"""What is left of the round before is read back as it was, and a run taken up in the middle goes on the same."""

from pathlib import Path

import numpy as np
import pytest

from common.errors import CheckFailed
from common.update import decode_update
from server import strategy
from server.inspection import Inspection, LastRound, inspect_updates
from server.last_round import last_round
from server.run_folder import RunFolder
from tests.server.test_resume import Fuse, Interrupted, outcome
from tests.small_federation import PlayedRun, SmallFederation, with_settings


@pytest.fixture(scope="module")
def played(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return small.play(tmp_path_factory.mktemp("played") / "run", settings=with_settings(small, rounds=3))


def test_the_first_round_has_none_before_it(played: PlayedRun) -> None:
    assert last_round(RunFolder(played.folder), 1, "none") is None


def test_updates_and_weights_are_those_of_the_round_before(played: PlayedRun, small: SmallFederation) -> None:
    for server_round in (2, 3):
        last = last_round(RunFolder(played.folder), server_round, "none")
        assert last is not None
        judgements = played.evidence(server_round - 1)["judgements"]
        assert last.weights_wad == {one["account"]: int(one["weight_wad"]) for one in judgements}
        assert set(last.updates) == {account.address for account in small.accounts}
        model = played.evidence(server_round - 1)["model"]
        assert RunFolder(played.folder).get_object(model)
        stored = {path.name: path for path in (played.folder / "objects" / "updates").iterdir()}
        contents = [decode_update(path.read_bytes()).arrays for name, path in stored.items() if "received" not in name]
        for arrays in last.updates.values():
            assert any(
                all(np.array_equal(arrays[name], content[name]) for name in arrays)
                for content in contents
                if content["residual"].shape == arrays["residual"].shape
            )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda folder: (folder / "objects" / "updates" / "received-0001.json").unlink(),
            "are not in .*; restore them",
        ),
        (
            lambda folder: (folder / "evidence" / "round-0001.json").write_bytes(b'{"judgements":[{}]}'),
            "evidence of round 1 in .* was altered .*; restore the folder",
        ),
        (
            lambda folder: (folder / "evidence" / "round-0001.json").write_bytes(b"[" * 1000),
            "evidence of round 1 in .* was altered .*; restore the folder",
        ),
    ],
)
def test_what_is_missing_or_altered_is_one_sentence(
    small: SmallFederation, tmp_path: Path, change: object, sentence: str
) -> None:
    run = small.play(tmp_path)
    change(run.folder)  # type: ignore[operator]
    with pytest.raises(CheckFailed, match=sentence):
        last_round(RunFolder(run.folder), 2, "none")


def test_a_run_taken_up_in_the_middle_looks_at_the_same_last_round(
    small: SmallFederation, played: PlayedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[LastRound | None] = []

    def watched(*given: object) -> Inspection:
        looked_at.append(given[5])  # type: ignore[arg-type]
        return inspect_updates(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(strategy, "inspect_updates", watched)
    settings = with_settings(small, rounds=3)
    for step in ("round-0001.json", "received-0002.json", "round-0002.json"):
        ledger, folder = small.ledger(), tmp_path / step
        with monkeypatch.context() as patched, pytest.raises(Interrupted):
            small.play(folder, Fuse(patched, step).wrap(ledger), settings=settings)
        looked_at.clear()
        assert outcome(small.play(folder, ledger, settings=settings)) == outcome(played)
        assert looked_at
        for seen, server_round in zip(reversed(looked_at), (3, 2), strict=False):
            before = last_round(RunFolder(played.folder), server_round, "none")
            assert seen is not None
            assert before is not None
            assert seen.weights_wad == before.weights_wad
            assert list(seen.updates) == list(before.updates)
