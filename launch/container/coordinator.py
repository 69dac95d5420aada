"""The service `coordinator`: Flower's SuperExec, which starts this project's ServerApp for every run.

Flower keeps what a ServerApp prints for `flwr log` and shows it nowhere else. So that the container's log tells how the
runs go, their reports, which are rewritten after every round, are watched.
"""

import json
import time
from pathlib import Path

from launch.container.foreground import foreground
from launch.container.places import (
    AUTHORITY,
    CHAIN_URL,
    COORDINATOR,
    EVERYWHERE,
    METRICS_PORT,
    RECORD,
    SCRATCH,
    SUPEREXEC_SECRET,
    SUPERLINK_ADDRESS,
)
from launch.container.services import say, wait_for
from launch.control_api import ControlApi
from launch.flower_environment import flower_environment, flower_program
from launch.metrics_server import serve_metrics
from server.app import CHAIN_VARIABLE, COORDINATOR_VARIABLE

LOOK_SECONDS = 2.0


def coordinator() -> int:
    """Stay until the SuperExec ends; returns its exit code.

    Raises:
        EnvironmentFailure: the SuperLink does not answer.
    """
    wait_for(SUPERLINK_ADDRESS)
    command = [
        *(flower_program("flower-superexec"), "--runtime-api-address", str(SUPERLINK_ADDRESS)),
        *("--root-certificates", str(AUTHORITY)),
        *("--superexec-auth-secret-file", str(COORDINATOR / SUPEREXEC_SECRET)),
    ]
    environment = flower_environment(SCRATCH / "flower") | {
        COORDINATOR_VARIABLE: str(RECORD / "coordinator"),
        CHAIN_VARIABLE: CHAIN_URL,
    }
    with (
        ControlApi(str(SUPERLINK_ADDRESS), AUTHORITY, Path("docker compose logs superlink")) as control,
        serve_metrics(RECORD, METRICS_PORT, lambda: len(control.online_nodes()), host=EVERYWHERE),
    ):
        end_interrupted_runs(control)
        return _serve_runs(command, environment)


def _serve_runs(command: list[str], environment: dict[str, str]) -> int:
    settled = settled_rounds(RECORD / "runs")
    with foreground(command, environment) as process:
        while (code := process.poll()) is None:
            now = settled_rounds(RECORD / "runs")
            for run in now.keys() - settled.keys():
                say(f"Run {run} has begun", run=run)
            for run, rounds in now.items():
                for number in range(settled.get(run, 0) + 1, rounds + 1):
                    say(f"Run {run}: round {number} is settled", run=run, round=number)
            settled = now
            time.sleep(LOOK_SECONDS)
    return code


def end_interrupted_runs(control: ControlApi) -> None:
    """End the runs whose ServerApps went down with the coordinator that was here before.

    The SuperLink would take them for running until two of their heartbeats are missing, a minute; so would whoever
    waits to go on with one.
    """
    for run_id in control.started_runs():
        control.stop_run(run_id)
        say(
            "A run was interrupted by the end of its coordinator; go on with `docker compose run --rm train --resume N`"
        )


def settled_rounds(runs: Path) -> dict[str, int]:
    """Return how many rounds the report of each run has; 0 before the first."""
    counts = {}
    for folder in runs.glob("[0-9]*"):
        try:
            counts[folder.name] = len(json.loads((folder / "report.json").read_bytes())["rounds"])
        except FileNotFoundError:
            counts[folder.name] = 0
    return counts
