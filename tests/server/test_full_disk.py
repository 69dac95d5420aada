"""A disk that is full at any write: one sentence, nothing corrupt, and the same end once there is room."""

import shutil
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from tests.faults.small_disk import read_only, resize, small_disk
from tests.server.test_resume import outcome
from tests.small_federation import SmallFederation, forgetful_app

ENOUGH_KB, STEP_KB = 100_000, 16


def test_a_disk_that_is_full_at_any_write_costs_one_sentence(small: SmallFederation, tmp_path: Path) -> None:
    """The disk is larger by some pages each time, so that the run comes a little further, and is then resumed."""
    expected = outcome(small.play(tmp_path / "undisturbed"))
    app, room_kb, sentences = forgetful_app(), 4, set()
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        while True:
            resize(disk, room_kb)
            ledger, run = small.ledger(), disk / "run"
            try:
                small.play(run, ledger, app=app)
                break
            except EnvironmentFailure as failure:
                sentences.add(str(failure).replace(str(run), "RUN"))
            resize(disk, ENOUGH_KB)
            assert outcome(small.play(run, ledger, app=app)) == expected, f"full at {room_kb} kB"
            shutil.rmtree(run)
            room_kb += STEP_KB
    assert len(sentences) >= 4
    for sentence in sentences:
        assert sentence.startswith("RUN/")
        assert sentence.endswith("(No space left on device); make room on that disk, then start it again.")


def test_a_run_on_a_read_only_disk_is_one_sentence_and_stays_as_it_is(small: SmallFederation, tmp_path: Path) -> None:
    ledger = small.ledger()
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        before = outcome(small.play(disk / "run", ledger))
        shutil.copytree(disk / "run" / "coordinator", disk / "new" / "coordinator")
        refused = r"\(Read-only file system\); make that disk writable again, then start it again\.$"
        with read_only(disk):
            for run in ("run", "new"):
                with pytest.raises(EnvironmentFailure, match=refused):
                    small.play(disk / run, ledger)
        assert outcome(small.play(disk / "run", ledger)) == before
