"""`tfedrs status` says where a run stands, whoever looks and however it ended."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import CheckFailed, WrongUse
from launch import cli
from launch.admitted_nodes import AdmittedNode
from launch.commands.status import describe, status
from launch.flower_cli import read_flower_home, write_flower_home
from launch.run_state import newest_run
from server.run_status import STATUS_FILE, RunStatus, read_status
from tests.small_federation import SmallFederation, prepare


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[SmallFederation, Path]:
    home = tmp_path_factory.mktemp("home")
    federation = prepare(home / "participants")
    (home / "coordinator").mkdir()
    federation.play(home)
    return federation, home


@pytest.fixture
def home(played: tuple[SmallFederation, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(played[1], tmp_path / "home"))


def change(run: Path, **fields: Any) -> RunStatus:
    """Let status.json say something else."""
    said = read_status(run)
    assert said is not None
    said = replace(said, **fields)
    (run / STATUS_FILE).write_bytes(said.to_bytes())
    return said


def gone() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_a_finished_run_is_done(home: Path) -> None:
    seen = status(home)
    assert (seen["state"], seen["settled_rounds"], seen["participants"], seen["advice"]) == ("done", 2, 5, None)
    assert "State    done, 2 of 2 rounds" in describe(seen)


def test_who_is_waited_for_is_named(home: Path, played: tuple[SmallFederation, Path]) -> None:
    accounts = {2: played[0].accounts[0].address, 3: "0x" + "1" * 40}
    now = time.time()
    change(
        home,
        phase="train",
        phase_began=now - 130,
        deadline=now + 50.5,
        asked=(2, 3, 4, 5),
        waiting_for=(2, 3, 4),
        accounts=accounts,
    )
    seen = status(home)
    assert seen["state"] == "running"
    assert seen["waiting_for"] == [
        {"node": "2", "account": accounts[2], "name": "client-01"},
        {"node": "3", "account": accounts[3], "name": None},
        {"node": "4", "account": None, "name": None},
    ]
    waited_for = f"{accounts[3]}, client-01, node 4"
    assert f"3 of 4 have not answered: {waited_for}; for 2 min, at most 50 s more" in describe(seen)


def test_waiting_for_nodes_tells_how_many_are_missing(home: Path) -> None:
    change(home, phase="waiting", phase_began=time.time(), server_round=2, online=1, needed=3, waiting_for=())
    assert "State    round 2 of 2, waiting for nodes: 1 of 3; for " in describe(status(home))


def test_a_killed_run_is_interrupted_and_says_how_to_go_on(home: Path) -> None:
    change(home, phase="score", pid=gone(), waiting_for=())
    report = home / "report.json"
    told = json.loads(report.read_bytes())
    told["ledger"]["kind"] = "embedded"
    report.write_text(json.dumps(told))
    seen = status(home)
    assert seen["state"] == "interrupted"
    text = describe(seen)
    assert "interrupted in round 2 of 2, scoring: its process has gone" in text
    assert f"Do       go on with `tfedrs run --resume {home}`" in text


def test_of_a_ledger_in_memory_nothing_can_be_taken_up(home: Path) -> None:
    change(home, phase="score", pid=gone())
    assert "its ledger was kept in memory and is gone" in describe(status(home))


def test_a_failed_run_says_why(home: Path) -> None:
    change(home, phase="failed", reason="OSError: no space left on device")
    assert "failed in round 2 of 2: OSError: no space left on device" in describe(status(home))


def test_a_federation_stands_for_its_newest_run(home: Path, tmp_path: Path) -> None:
    federation = tmp_path / "federation"
    (federation / "coordinator").mkdir(parents=True)
    (federation / "coordinator" / "federation.json").write_text("{}")
    for age, name in enumerate(("2", "10", "9")):
        run = Path(shutil.copytree(home, federation / "runs" / name, ignore=shutil.ignore_patterns("coordinator")))
        for path in run.iterdir():
            os.utime(path, (time.time() - age, time.time() - age))
    assert newest_run(federation).name == "2"
    assert newest_run(federation / "coordinator").name == "2"
    assert newest_run(federation / "runs").name == "2"
    assert newest_run(federation / "runs" / "9").name == "9"
    told = json.loads((federation / "runs" / "2" / "report.json").read_bytes())
    told["ledger"]["kind"] = "embedded"
    (federation / "runs" / "2" / "report.json").write_text(json.dumps(told))
    change(federation / "runs" / "2", phase="failed", accounts={2: "0xAb"}, reason="x")
    assert """flwr run . local -c 'run-dir="runs/2"'""" in describe(status(federation))


def test_the_names_of_separate_machines_come_from_the_admitted_nodes(home: Path) -> None:
    AdmittedNode("alice", "0x" + "a" * 40, "key").save(home / "coordinator")
    change(home, phase="train", asked=(7,), waiting_for=(7,), accounts={7: "0x" + "a" * 40})
    assert "1 of 1 have not answered: alice" in describe(status(home))


def test_a_superlink_that_does_not_answer_is_no_error(home: Path) -> None:
    authority = home / "ca.pem"
    authority.write_text("no certificate")
    write_flower_home(home / "flower" / "cli", "127.0.0.1:9", authority)
    connection = read_flower_home(home / "flower" / "cli")
    assert connection is not None
    assert (connection.address, connection.authority) == ("127.0.0.1:9", authority)
    assert status(home)["nodes"] is None


def test_a_federation_without_a_run_has_not_begun(tmp_path: Path) -> None:
    (tmp_path / "coordinator").mkdir()
    seen = status(tmp_path)
    assert (seen["state"], seen["run"]) == ("not begun", None)
    assert describe(seen).startswith("Run      none yet\nState    not begun")


def test_a_folder_without_anything_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"There is no run in .* yet"):
        status(tmp_path)


def test_a_damaged_report_is_one_sentence(home: Path) -> None:
    (home / "report.json").write_text("[]")
    with pytest.raises(CheckFailed, match=r"report.json cannot be read"):
        status(home)


def test_the_command_prints_lines_or_one_object(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(home)]) == 0
    assert capsys.readouterr().out.startswith(f"Run      {home}\nState    done")
    assert cli.main(["status", str(home), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"
    assert cli.main(["status", str(home), "--watch"]) == 0  # the run has ended, so it does not stay
    assert "State    done" in capsys.readouterr().out
    assert cli.main(["status", str(home), "--watch", "--json"]) == WrongUse.exit_code
