"""A federation that is held, and Flower's own command line: runs in series on one ledger, and refused ones."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launch.flower_environment import flower_program
from launch.process_tree import marked_processes, running_processes
from launch.workspace import PROJECT_ROOT
from tests.e2e.command_line import Started, run_to_its_end, started, tfedrs_says

HELD = ("--clients", "2", "--rounds", "2", "--factors", "8", "--probe-pairs", "50", "--chain", "embedded")


@dataclass(frozen=True)
class Held:
    """A held federation, as somebody at another terminal sees it."""

    folder: Path
    launcher: Started

    def flwr(self, *arguments: str) -> str:
        """Run Flower's command line in the project folder; it must succeed. Returns stdout."""
        done = subprocess.run(
            [flower_program("flwr"), *arguments],
            cwd=PROJECT_ROOT,
            env={**os.environ, "FLWR_HOME": str(self.folder / "flower" / "cli")},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def submit(self, *run_config: str) -> str:
        """Start a run with these `-c` values; return its Flower id."""
        told = [word for one in run_config for word in ("-c", one)]
        return str(json.loads(self.flwr("run", ".", "local", "--format", "json", *told))["run-id"])

    def outcome(self, run_id: str, seconds: float = 120) -> tuple[str, str]:
        """Wait for the end of a run; return its status and Flower's words about it."""
        deadline = time.monotonic() + seconds
        while True:
            (run,) = json.loads(self.flwr("list", "local", "--run-id", run_id, "--format", "json"))["runs"]
            if run["status"].startswith("finished"):
                return run["status"], run["status-details"]
            assert time.monotonic() < deadline, run
            time.sleep(3)  # the question itself takes a core for a second

    def report(self, number: int) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "runs" / str(number) / "report.json").read_bytes())
        return report


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    base = tmp_path_factory.mktemp("held")
    with started(["run", "--hold", *HELD, "--out", "run"], base) as launcher:
        config = base / "run" / "flower" / "cli" / "config.toml"
        deadline = time.monotonic() + 60
        while not config.exists():
            assert launcher.process.poll() is None, launcher.wait()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Held(base / "run", launcher)


@pytest.fixture(scope="module")
def two_runs(held: Held) -> Held:
    """The first run as it was prepared but for its rounds, the second one with another model."""
    first = held.submit("rounds=1")
    assert held.outcome(first) == ("finished:completed", "N/A")
    second = held.submit("rounds=1 factors=4", "tensorboard=true")
    assert held.outcome(second) == ("finished:completed", "N/A")
    return held


def test_every_run_settles_in_a_folder_of_its_own_on_the_same_ledger(two_runs: Held) -> None:
    reports = [two_runs.report(number) for number in (1, 2)]
    assert [len(report["rounds"]) for report in reports] == [1, 1]
    assert all(report["ledger"]["verified"] and report["ledger"]["settled_rounds"] == 1 for report in reports)
    assert len({report["ledger"]["address"] for report in reports}) == 1
    assert len({report["ledger"]["run_id"] for report in reports}) == 2
    assert {path.name for path in (two_runs.folder / "runs").iterdir()} == {"1", "2"}


def test_a_run_has_the_prepared_settings_but_for_what_it_was_told(two_runs: Held) -> None:
    configs = [(two_runs.folder / "runs" / number / "config.toml").read_text() for number in ("1", "2")]
    assert all("clients = 2\nrounds = 1\n" in config for config in configs)
    assert ["factors = 8" in config for config in configs] == [True, False]
    assert [(two_runs.folder / "runs" / number / "tensorboard").exists() for number in ("1", "2")] == [False, True]


def test_what_the_data_were_cut_by_is_refused_in_one_sentence_and_writes_nothing(two_runs: Held) -> None:
    sentence = (
        "--clients is 4, but the data of this federation were cut with 2; leave clients out of the run config, or "
        "prepare another federation with `tfedrs run --hold`."
    )
    refused = two_runs.submit("clients=4")
    assert two_runs.outcome(refused) == ("finished:failed", f"ServerApp failed with exception: {sentence}")
    assert f"common.errors.WrongUse: {sentence}" in two_runs.flwr("log", refused, "local", "--show")
    assert not (two_runs.folder / "runs" / "3").exists()


def test_ctrl_c_stops_everything_and_the_rewards_of_both_runs_can_be_collected(two_runs: Held) -> None:
    before = marked_processes(two_runs.launcher.mark)
    assert len(before) >= 7  # the program, its chain, the superlink, two supernodes, a superexec for each
    two_runs.launcher.process.send_signal(signal.SIGINT)
    code, stderr = two_runs.launcher.wait()
    assert not before & running_processes()
    assert not marked_processes(two_runs.launcher.mark)
    assert (code, tfedrs_says(stderr)) == (130, ["tfedrs: Interrupted; everything that was started is stopped."])
    assert "flwr run " in stderr

    own = ["--account", "participants/client-01", "--json"]
    claimed = json.loads(run_to_its_end(["claim", "--run", "runs/2", *own], two_runs.folder)[0])
    rewards = [two_runs.report(number)["rounds"][0]["reward"] for number in (1, 2)]
    assert int(claimed["claimed_wei"]) == sum(int(reward[claimed["account"]]) for reward in rewards)
