"""Disks that are full or read-only: one sentence, nothing corrupt, and the same bytes once there is room again."""

import shutil
import subprocess
from pathlib import Path

import pytest

from launch.process_tree import marked_processes
from tests.e2e.command_line import TFEDRS, environment, new_mark, run_to_its_end, started, tfedrs_says
from tests.faults.real_runs import LONGEST, RUN, flags, outcome, resume, wait_for
from tests.faults.small_disk import fill, read_only, small_disk

pytestmark = pytest.mark.timeout(2000)
ENOUGH_KB = 400_000


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run_to_its_end(["simulate", *flags(folder), "--out", RUN], folder, LONGEST)
    return folder / RUN


def fails(arguments: list[str], folder: Path) -> str:
    """Run `tfedrs`, which must end with exit code 3 and one sentence, and leave nothing running."""
    mark = new_mark()
    done = subprocess.run(
        [TFEDRS, *arguments],
        cwd=folder,
        env=environment(mark),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert not marked_processes(mark)
    (sentence,) = tfedrs_says(done.stderr)
    return sentence


def test_a_disk_that_fills_up_in_a_simulation_is_one_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        with started(["simulate", *flags(disk, rounds=60), "--out", RUN], disk) as run:
            wait_for((disk / RUN / "evidence/round-0001.json").exists, run)
            fill(disk)
            code, stderr = run.wait(LONGEST)
        (sentence,) = tfedrs_says(stderr)
        assert code == 3, stderr
        assert f"go on with `tfedrs run --resume {disk / RUN}`." in sentence
        assert "No space left" in sentence or "is full: make room on it" in sentence
        assert not marked_processes(run.mark)


def test_a_disk_that_fills_up_in_a_real_run_is_one_sentence_and_costs_one_resume(
    undisturbed: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        with started(["run", *flags(disk), "--out", RUN], disk) as run:
            wait_for((disk / RUN / "objects/updates/received-0001.json").exists, run)
            filler = fill(disk)
            code, stderr = run.wait(LONGEST)
        (sentence,) = tfedrs_says(stderr)
        assert code == 3, stderr
        assert f"the disk of {disk / RUN} is full: make room on it, then go on with `tfedrs run --resume" in sentence
        assert not marked_processes(run.mark)
        filler.unlink()
        resume(disk)
        assert outcome(disk / RUN) == outcome(undisturbed)


def test_a_folder_that_becomes_read_only_in_a_real_run_is_one_sentence_and_costs_one_resume(
    undisturbed: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        with started(["run", *flags(disk), "--out", RUN], disk) as run:
            wait_for((disk / RUN / "evidence/round-0001.json").exists, run)
            with read_only(disk / RUN / "evidence"):
                code, stderr = run.wait(LONGEST)
        (sentence,) = tfedrs_says(stderr)
        assert code == 3, stderr
        assert "evidence/round-0002.json cannot be written (Read-only file system)" in sentence
        assert "make that disk writable again" in sentence
        assert "`tfedrs run --resume " in sentence
        resume(disk)
        assert outcome(disk / RUN) == outcome(undisturbed)


def test_a_read_only_disk_starts_nothing(undisturbed: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", ENOUGH_KB) as disk:
        shutil.copytree(undisturbed, disk / RUN)
        (disk / RUN / "report.json").unlink()  # so that there is something left to do
        csv = flags(tmp_path)
        with read_only(disk):
            assert str(disk) in fails(["run", "--resume", str(disk / RUN)], tmp_path)
            mark = new_mark()
            done = subprocess.run(
                [TFEDRS, "simulate", *csv, "--out", str(disk / "new")],
                cwd=tmp_path,
                env=environment(mark),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        assert done.returncode == 2
        assert tfedrs_says(done.stderr) == [f"tfedrs: {disk} cannot be written by this user; choose another folder."]
