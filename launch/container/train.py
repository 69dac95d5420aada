"""The service `train`: submits one run to the federation that is up, shows how it goes, and ends with it."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from common.errors import EnvironmentFailure, WrongUse
from launch.app_bundle import build_app_bundle
from launch.container.members import load_members
from launch.container.places import AUTHORITY, MEMBERS_FILE, RECORD, SUPERLINK_ADDRESS
from launch.control_api import ControlApi, NoAnswer, Setting
from launch.progress import RunProgress, say_what_came_out
from launch.resumed_run import settings_of
from launch.termination import termination_raises
from launch.workspace import PROJECT_ROOT
from server.app import RUN_DIR
from server.federation import load_federation
from server.submitted_run import choose_run_folder

TICK_SECONDS = 1.0
START_SECONDS = 180.0
SILENCE_SECONDS = 60.0
"""How long a SuperLink may give no answer before the run is given up: one that was killed is back earlier."""


def train(told: Mapping[str, Setting], resume: str | None, console: Console) -> Path:
    """Run one federation to its end and show its tables.

    Args:
        told: The settings of a new run that differ from those the federation was prepared with, by flag name.
        resume: The number of an interrupted run to go on with, as it was set; None begins a new one.
        console: For the progress and the tables.

    Returns:
        The run folder.

    Raises:
        WrongUse: there is no run of that number.
        EnvironmentFailure: not every node came online, or the run did not complete.
        KeyboardInterrupt, SystemExit: the signal, after the run was stopped.
    """
    began = time.monotonic()
    federation = load_federation(RECORD / "coordinator")
    members = load_members(MEMBERS_FILE)
    if resume is None:
        folder = choose_run_folder(federation, "")
        rounds = told.get("rounds", federation.prepared_with.rounds)
    else:
        folder, told = RECORD / "runs" / resume, {}
        rounds = settings_of(folder).rounds
    bundle = build_app_bundle(PROJECT_ROOT)
    with (
        termination_raises(),
        ControlApi(str(SUPERLINK_ADDRESS), AUTHORITY, Path("docker compose logs superlink")) as control,
        RunProgress(console, int(rounds)) as progress,
    ):
        progress.say("waiting for the clients")
        _wait_for_nodes(control, len(members))
        start_seconds = time.monotonic() - began
        run_id = control.start_run(bundle, {**told, RUN_DIR: f"runs/{folder.name}"})
        console.print(f"Run {folder.name} has begun.", highlight=False)
        progress.say("round 1")
        try:
            _follow(control, run_id, folder, progress)
        except (KeyboardInterrupt, SystemExit):
            control.stop_run(run_id)
            raise
    report = json.loads((folder / "report.json").read_bytes())
    say_what_came_out(
        console,
        report
        | {
            "folder": str(folder),
            "accounts": [member.account for member in members],
            "start_seconds": start_seconds,
            "total_seconds": time.monotonic() - began,
        },
    )
    return folder


def check_resumable(resume: str | None) -> None:
    """Refuse a run number that names no run.

    Raises:
        WrongUse: it is not there.
    """
    if resume is not None and not (resume.isdecimal() and (RECORD / "runs" / resume).is_dir()):
        raise WrongUse(f"There is no run {resume} to go on with; leave --resume out to begin a new one.")


def _wait_for_nodes(control: ControlApi, count: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    online = 0
    while online < count:
        try:
            online = len(control.online_nodes())
        except NoAnswer:
            online = 0
        if time.monotonic() > deadline:
            raise EnvironmentFailure(
                f"Only {online} of {count} clients are online after {START_SECONDS:g} s; "
                "look at `docker compose ps` and `docker compose logs client`."
            )
        time.sleep(TICK_SECONDS)


def _follow(control: ControlApi, run_id: int, folder: Path, progress: RunProgress) -> None:
    """Return when the run has completed."""
    answered = time.monotonic()
    status, details = "", ""
    while not status.startswith("finished"):
        try:
            status, details = control.run_status(run_id)
            answered = time.monotonic()
        except NoAnswer:
            if time.monotonic() - answered > SILENCE_SECONDS:
                raise _not_complete(folder, "the SuperLink does not answer") from None
        except (EnvironmentFailure, KeyError):  # a SuperLink that was restarted knows no earlier run
            raise _not_complete(folder, "the SuperLink was restarted") from None
        progress.look_at(folder / "report.json")
        time.sleep(TICK_SECONDS)
    if status != "finished:completed":
        raise _not_complete(folder, " ".join(details.split()).rstrip(".") or status.partition(":")[2])


def _not_complete(folder: Path, reason: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"Run {folder.name} did not complete ({reason}); see `docker compose logs coordinator`, and go on with "
        f"`docker compose run --rm train --resume {folder.name}`."
    )
