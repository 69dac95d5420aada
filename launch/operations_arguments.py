"""The flags of the commands that look after runs: `status`, `doctor`, `backup`, `restore`."""

import argparse
from pathlib import Path

from launch.machine_arguments import Add


def add_operations_commands(add: Add) -> None:
    """Add them."""
    status = add(
        "status",
        "who is up, which round, what is waited for",
        "  tfedrs status\n  tfedrs status runs/demo --watch\n  tfedrs status cinema/coordinator --json",
    )
    _folder(status, "a run, or a federation for its newest run")
    status.add_argument("--watch", action="store_true", help="look again every second, until the run has ended")


def _folder(added: argparse.ArgumentParser, help_text: str) -> None:
    default = Path("runs/latest")
    added.add_argument("folder", nargs="?", default=default, type=Path, metavar="DIR", help=f"{help_text} ({default})")
