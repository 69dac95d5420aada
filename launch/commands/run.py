"""`tfedrs run`: a real local federation, every part of it a process of its own."""

import json
import time
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console

from common.config import Settings
from launch.local_federation import LocalFederation
from launch.metrics_server import serve_metrics
from launch.prepared_run import PreparedRun, prepared_run
from launch.progress import RunProgress, say_what_starts
from launch.resumed_run import resumed_run, to_be_resumed
from launch.run_options import RunOptions
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR, TENSORBOARD

_PHASES_A_ROUND = 2


def run(settings: Settings, options: RunOptions, console: Console) -> dict[str, Any]:
    """Start a chain, a SuperLink and the SuperNodes, train, stop everything.

    Returns:
        The report, with the run folder, the clients' accounts and where the time went.

    Raises:
        WrongUse: before anything was started.
        EnvironmentFailure: a process failed; the sentence names its log.
    """
    began = time.monotonic()
    with RunProgress(console, settings.rounds) as progress:
        progress.say("preparing data, chain and contracts")
        with ready_run(settings, options) as ready:
            say_what_starts(console, ready)
            with to_be_resumed(ready), serve_metrics(ready.folder, options.metrics_port):
                progress.say(f"starting SuperLink and {settings.clients} SuperNodes")
                with LocalFederation(
                    PROJECT_ROOT, ready.folder, ready.client_dirs, say=progress.note, device=options.device
                ) as federation:
                    start_seconds = time.monotonic() - began
                    run_id = federation.submit(
                        settings.to_run_config()
                        | {
                            COORDINATOR_DIR: str(ready.federation.folder),
                            RUN_DIR: str(ready.folder),
                            CHAIN_URL: ready.chain_url,
                            TENSORBOARD: options.tensorboard,
                        }
                    )
                    progress.say("round 1")
                    report_path = ready.folder / "report.json"

                    def look() -> None:
                        progress.look_at(report_path)
                        for process in ready.chain_processes:
                            process.raise_if_ended("during the run")

                    longest = settings.phase_timeout * (_PHASES_A_ROUND * settings.rounds + 2)
                    federation.wait(run_id, look, longest)
    report: dict[str, Any] = json.loads(report_path.read_bytes())
    return report | {
        "folder": str(ready.folder),
        "accounts": list(ready.client_accounts),
        "start_seconds": start_seconds,
        "total_seconds": time.monotonic() - began,
    }


def ready_run(settings: Settings, options: RunOptions) -> AbstractContextManager[PreparedRun]:
    """Return a new run or the one to go on with, with its chain up inside the `with` block."""
    if options.resume is not None:
        return resumed_run(options.resume, settings, options.chain)
    return prepared_run(settings, options)
