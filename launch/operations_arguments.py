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
    doctor = add(
        "doctor",
        "looks for what will not work: versions, disk, ports, clocks, keys, chain",
        "  tfedrs doctor\n  tfedrs doctor cinema/coordinator\n  tfedrs doctor runs/latest --chain http://127.0.0.1:8545",
    )
    doctor.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="a run, a coordinator or a participant")
    doctor.add_argument("--chain", default="", metavar="URL", help="(the plan's, or the one in TFEDRS_CHAIN_URL)")
    backup = add(
        "backup",
        "a federation or a participant in one file, also while a run goes on",
        "  tfedrs backup runs/latest --out demo.tar\n  tfedrs backup cinema/coordinator --out cinema.tar",
    )
    _folder(backup, "a run's, a coordinator's or a participant's folder")
    backup.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new file; it holds private keys")
    restore = add("restore", "the files of a backup in a new folder", "  tfedrs restore demo.tar --into runs/demo")
    restore.add_argument("archive", type=Path, metavar="FILE", help="what `tfedrs backup` wrote")
    restore.add_argument("--into", required=True, type=Path, metavar="DIR", help="a new folder")


def _folder(added: argparse.ArgumentParser, help_text: str) -> None:
    default = Path("runs/latest")
    added.add_argument("folder", nargs="?", default=default, type=Path, metavar="DIR", help=f"{help_text} ({default})")
