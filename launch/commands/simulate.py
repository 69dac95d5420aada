"""`tfedrs simulate`: the same settings in one process."""

import json
import logging
import time
from typing import Any

from rich.console import Console

from common.config import Settings
from launch.prepared_run import prepared_run
from launch.progress import RunProgress, partition_table
from launch.run_options import RunOptions
from launch.simulation import simulate as play


def simulate(settings: Settings, options: RunOptions, console: Console) -> dict[str, Any]:
    """Train in this process; return the report."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    began = time.monotonic()
    with RunProgress(console, settings.rounds) as progress:
        progress.say("preparing data, chain and contracts")
        with prepared_run(settings, options) as ready:
            console.print(partition_table(ready.data.summary))
            start_seconds = time.monotonic() - began
            report_path = ready.folder / "report.json"
            play(
                settings,
                ready.federation,
                ready.client_dirs,
                ready.ledger,
                ready.folder,
                on_reply=lambda: progress.look_at(report_path),
            )
    report: dict[str, Any] = json.loads(report_path.read_bytes())
    return report | {"start_seconds": start_seconds, "total_seconds": time.monotonic() - began}
