"""`tfedrs simulate`: the same settings in one process."""

import json
import logging
import time
from typing import Any

from flwr.app import MessageType
from rich.console import Console

from common.config import Settings
from common.wire import PEER_EVALUATION
from launch.prepared_run import prepared_run
from launch.progress import RunProgress, say_what_starts
from launch.resumed_run import to_be_resumed
from launch.run_options import RunOptions
from launch.simulation import simulate as play


def simulate(settings: Settings, options: RunOptions, console: Console) -> dict[str, Any]:
    """Train in this process; return the report, with the run folder, the clients' accounts and where the time went."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    began = time.monotonic()
    with RunProgress(console, settings.rounds) as progress:
        progress.say("preparing data, chain and contracts")
        with prepared_run(settings, options) as ready:
            say_what_starts(console, ready)
            start_seconds = time.monotonic() - began
            report_path = ready.folder / "report.json"
            cpu_before = time.process_time()
            with to_be_resumed(ready):
                node_cpu = play(
                    settings,
                    ready.federation,
                    ready.client_dirs,
                    ready.ledger,
                    ready.folder,
                    on_reply=lambda: progress.look_at(report_path),
                    tensorboard=options.tensorboard,
                    batch=options.batch,
                    device=options.device,
                )
            cpu_seconds = {
                "train": node_cpu[MessageType.TRAIN],
                "peers": node_cpu[PEER_EVALUATION],
                "evaluate": node_cpu[MessageType.EVALUATE],
                "coordinator": time.process_time() - cpu_before - sum(node_cpu.values()),
            }
    report: dict[str, Any] = json.loads(report_path.read_bytes())
    return report | {
        "folder": str(ready.folder),
        "accounts": list(ready.client_accounts),
        "start_seconds": start_seconds,
        "total_seconds": time.monotonic() - began,
        "cpu_seconds": cpu_seconds,
    }
