"""Real runs that something happens to, and what must be the same afterwards."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from launch.process_tree import Process, marked_processes
from tests.e2e.command_line import Started, run_to_its_end
from tests.launch.small_data import COLUMNS, write_small_csv

TIMES = ("seconds", "train_seconds", "score_seconds", "settle_seconds")
RUN = "run"
LONGEST = 800
"""Seconds for a run that takes twenty; the machine may be busy."""


def flags(folder: Path, chain: str = "embedded", *, rounds: int = 2) -> list[str]:
    """A run of three clients on 24 users; every process of it real."""
    csv = folder / "ratings.csv"
    if not csv.exists():
        write_small_csv(csv)
    return [
        *("--dataset", f"csv:{csv.name}", "--csv-columns", COLUMNS, "--clients", "3", "--rounds", str(rounds)),
        *("--factors", "4", "--probe-pairs", "20", "--chain", chain),
    ]


def outcome(run: Path, coordinator: Path | None = None) -> dict[str, Any]:
    """Models, evidence and updates byte for byte; standing, rewards, roots and everything of the report but times.

    Args:
        run: The run folder.
        coordinator: Of a federation with several runs; else in the run folder.
    """
    coordinator = coordinator or run / "coordinator"
    report = json.loads((run / "report.json").read_bytes())
    checkpoint = json.loads((run / "checkpoint" / "state.json").read_bytes())
    files = [*(run / "evidence").iterdir(), *(path for path in (run / "objects").rglob("*") if path.is_file())]
    return {
        "files": {str(path.relative_to(run)): path.read_bytes() for path in files},
        "standing": checkpoint["standing"],
        "settlement": checkpoint["settlement"],
        "rounds": [{key: value for key, value in row.items() if key not in TIMES} for row in report["rounds"]],
        "final": report["final"],
        "ledger": report["ledger"],
        "rewards": json.loads((coordinator / "deployment.rewards.json").read_bytes()),
    }


def wait_for(ready: Callable[[], object], run: Started, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert run.process.poll() is None, run.process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def processes_of(mark: str, *words: str) -> list[Process]:
    """The processes with this mark whose command line holds all of the words, oldest first."""
    found = [process for process in marked_processes(mark) if all(word in command_of(process) for word in words)]
    return sorted(found, key=lambda process: process.started_ticks)


def command_of(process: Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def kill(*processes: Process) -> None:
    for process in processes:
        os.kill(process.pid, signal.SIGKILL)


def kill_all(mark: str) -> None:
    """Kill everything with this mark, as a power cut does."""
    while left := marked_processes(mark):  # some start others meanwhile
        for process in left:
            with suppress(ProcessLookupError):
                kill(process)


def wait_until_nothing_is_left(mark: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, [command_of(process) for process in left]
        time.sleep(0.1)


def resume(folder: Path) -> None:
    """One `--resume`, and the whole run verified from outside."""
    run_to_its_end(("run", "--resume", RUN), folder, LONGEST)
    run_to_its_end(("verify", RUN), folder)
