"""A whole federation in one process: messages, signatures, peers' scores, reputation, a ledger in memory."""

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from common.config import Settings
from launch.commands.simulate import simulate
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions


def federated(settings: Settings, root: Path | None) -> dict[str, Any]:
    """Run a simulation by `tfedrs simulate`'s own code in a temporary folder and return its report.

    Args:
        settings: Of the run.
        root: Folder of the data sets that are not bundled.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(out=Path(folder) / "run", chain=MEMORY, account_dir=None, deployment=None, data_root=root)
        return simulate(settings, options, Console(stderr=True, quiet=True))
