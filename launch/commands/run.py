"""`tfedrs run`: a real local federation, every part of it a process of its own."""

import json
import time
from typing import Any

from rich.console import Console

from common.config import Settings
from launch.local_federation import LocalFederation
from launch.prepared_run import prepared_run
from launch.progress import RunProgress, partition_table
from launch.run_options import RunOptions
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR

_PHASES_A_ROUND = 2


def run(settings: Settings, options: RunOptions, console: Console) -> dict[str, Any]:
    """Start a chain, a SuperLink and the SuperNodes, train, stop everything; return the report.

    Raises:
        WrongUse: before anything was started.
        EnvironmentFailure: a process failed; the sentence names its log.
    """
    began = time.monotonic()
    with RunProgress(console, settings.rounds) as progress:
        progress.say("preparing data, chain and contracts")
        with prepared_run(settings, options) as ready:
            console.print(partition_table(ready.data.summary))
            kind = ready.federation.chain_kind
            console.print(f"Chain: {kind} at {ready.chain_url}, ledger {ready.ledger.verifying_contract}")
            progress.say(f"starting SuperLink and {settings.clients} SuperNodes")
            with LocalFederation(PROJECT_ROOT, ready.folder, ready.client_dirs) as federation:
                start_seconds = time.monotonic() - began
                run_id = federation.submit(
                    settings.to_run_config()
                    | {
                        COORDINATOR_DIR: str(ready.federation.folder),
                        RUN_DIR: str(ready.folder),
                        CHAIN_URL: ready.chain_url,
                    }
                )
                progress.say("round 1")
                report_path = ready.folder / "report.json"
                longest = settings.phase_timeout * (_PHASES_A_ROUND * settings.rounds + 2)
                federation.wait(run_id, lambda: progress.look_at(report_path), longest)
    report: dict[str, Any] = json.loads(report_path.read_bytes())
    return report | {"start_seconds": start_seconds, "total_seconds": time.monotonic() - began}
