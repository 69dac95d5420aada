"""A run that is killed before any of its steps, and started again, ends as if nothing had happened.

The quick suite walks some of the steps, spread evenly; `tests/faults/test_killed_anywhere.py` walks all of them.
"""

from pathlib import Path

import pytest

from server.ledger import Ledger
from tests.killed_runs import WRITES, play
from tests.killed_scenes import SCENES, expect_the_same_after_every_kill, place, scene_of

KILLS = {"ials": 11, "replies kept": 11, "ncf": 4, "mf": 4}


def test_the_writes_of_the_ledger_are_those_of_its_protocol() -> None:
    """Who adds a write to the protocol without a receipt would have it left out of the walk."""
    assert {"open_run", "open_round", "commit_updates", "settle_round", "fund", "register_for", "claim"} == set(WRITES)
    assert all(callable(getattr(Ledger, name)) for name in WRITES)


def test_the_steps_are_what_a_round_does_to_files_ledger_and_grid(tmp_path: Path) -> None:
    """A canary: were the steps no longer seen, every walk would pass."""
    scene = scene_of("replies kept", tmp_path)
    steps = play(scene, place(scene, tmp_path / "seen"), lines=True)
    assert steps is not None
    for step in (
        *("before open_run", "after open_round", "before commit_updates", "after settle_round", "push", "pull"),
        *("os.rename state.json", "os.rename round-0001.json", "os.rename received-0002.json", "os.rename report.html"),
        *("os.rename reply.json", "os.rename update.bin", "os.rename user-vectors.npz", "os.mkdir evidence"),
    ):
        assert step in steps, step
    for module in ("strategy.py", "run_recorder.py", "received_updates.py", "coordinator.py"):
        assert len({step for step in steps if step.startswith(f"{module}:")}) > 10
    assert len([step for step in steps if step.startswith("open events.out")]) >= 2


@pytest.mark.parametrize("name", SCENES)
def test_a_run_killed_before_some_of_its_steps_ends_as_if_undisturbed(name: str, tmp_path: Path) -> None:
    expect_the_same_after_every_kill(scene_of(name, tmp_path), tmp_path, at_most=KILLS[name])
