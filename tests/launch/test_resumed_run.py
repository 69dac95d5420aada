"""How a run that the environment interrupted says how to go on, and which runs there is something left to do of."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.errors import CheckFailed, EnvironmentFailure, WrongUse
from launch import resumed_run as resumed_run_module
from launch.resumed_run import resumed_run, settings_of, to_be_resumed
from tests.e2e.command_line import run_to_its_end
from tests.launch.small_data import small_flags, write_small_csv


def ready(kind: str, folder: Path) -> SimpleNamespace:
    return SimpleNamespace(folder=folder, federation=SimpleNamespace(chain_kind=kind))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("embedded", "the superlink stopped: see x.log; go on with `tfedrs run --resume '{}'`."),
        ("external", "the superlink stopped: see x.log; go on with `tfedrs run --resume '{}' --chain URL`."),
        ("memory", "the superlink stopped: see x.log."),
    ],
)
def test_what_the_environment_did_names_the_command_that_goes_on(kind: str, expected: str, tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    folder.mkdir()
    with pytest.raises(EnvironmentFailure) as failure, to_be_resumed(ready(kind, folder)):  # type: ignore[arg-type]
        raise EnvironmentFailure("the superlink stopped: see x.log.")
    assert str(failure.value) == expected.format(folder)


def test_an_error_that_going_on_would_meet_again_stays_as_it_is(tmp_path: Path) -> None:
    for error in (EnvironmentFailure("it was altered; start a new run."), CheckFailed("no"), WrongUse("no")):
        with pytest.raises(type(error)) as failure, to_be_resumed(ready("embedded", tmp_path)):  # type: ignore[arg-type]
            raise error
        assert failure.value is error


@pytest.mark.parametrize(
    ("blocks", "flags", "said"),
    [
        (3, 0, "is full: make room on it, then go on"),
        (10**6, os.ST_RDONLY, "is read-only: make it writable again, then"),
    ],
)
def test_a_disk_that_left_no_room_for_a_log_is_named(
    blocks: int, flags: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_flag=flags)
    monkeypatch.setattr(resumed_run_module.os, "statvfs", lambda folder: disk)
    with (
        pytest.raises(EnvironmentFailure, match=f"the disk of {tmp_path} {said}"),
        to_be_resumed(
            ready("embedded", tmp_path)  # type: ignore[arg-type]
        ),
    ):
        raise EnvironmentFailure("the embedded chain stopped")


def test_a_run_is_resumed_until_its_last_round_is_settled_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("TFEDRS_CHAIN")]:
        monkeypatch.delenv(name)
    csv = write_small_csv(tmp_path / "ratings.csv")
    run_to_its_end(["simulate", *small_flags(csv), "--chain", "embedded", "--out", "run"], tmp_path)
    run = tmp_path / "run"
    settings = settings_of(run)
    with (
        pytest.raises(WrongUse, match=r"All 1 rounds of .* are settled; start another run"),
        resumed_run(run, settings, "auto"),
    ):
        pass
    report = json.loads((run / "report.json").read_bytes())
    report["ledger"]["verified"] = None  # as it is between the last decision and the end
    (run / "report.json").write_text(json.dumps(report))
    for _ in range(2):
        with resumed_run(run, settings, "auto") as opened:
            assert opened.ledger.run_count() == 1
        (run / "report.json").unlink(missing_ok=True)
