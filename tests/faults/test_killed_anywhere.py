"""Every step of a run, one kill for each; the quick suite's `tests/server/test_killed_anywhere.py` takes some."""

from pathlib import Path

import pytest

from tests.killed_scenes import SCENES, expect_the_same_after_every_kill, scene_of


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENES)
def test_a_run_killed_before_any_step_ends_as_if_undisturbed(name: str, tmp_path: Path) -> None:
    kills = expect_the_same_after_every_kill(scene_of(name, tmp_path), tmp_path)
    print(f"{name}: {kills} kills")  # noqa: T201
    assert kills > 300
