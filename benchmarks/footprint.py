"""What a running federation takes at one moment: memory, files and threads of its processes, bytes of its folder."""

import os
from pathlib import Path

from launch.process_tree import PROC, Process, running_processes, with_descendants

_PROGRAMS = {
    "flower-superlink": "SuperLink",
    "flower-supernode": "SuperNode",
    "flower-superexec": "SuperExec",
    "flwr-serverapp": "ServerApp",
    "anvil": "chain",
    "launch.embedded_chain": "chain",
}
"""Those that stay; a client process lives for one message."""


def processes_footprint() -> dict[str, float]:
    """Return "memory:NAME" in bytes, "files:NAME" and "threads:NAME" for every process that stays.

    Files of a process that forbids it are left out: flower-superexec does, to all but root.
    """
    figures: dict[str, float] = {}
    running = running_processes()
    mine = [process for process in running if process.pid == os.getpid()]
    for process in sorted(with_descendants(mine, running), key=lambda one: (one.started_ticks, one.pid)):
        role = _role(process.pid)
        if role is None:
            continue
        name = _numbered(role if role != "SuperExec" else f"SuperExec of {_parents_role(process)}", figures)
        status = dict(line.split(":", 1) for line in _read(process.pid, "status").splitlines() if ":" in line)
        if "VmRSS" not in status:  # it has just ended
            continue
        figures[f"memory:{name}"] = int(status["VmRSS"].split()[0]) * 1024
        figures[f"threads:{name}"] = int(status["Threads"])
        try:
            figures[f"files:{name}"] = len(list((PROC / str(process.pid) / "fd").iterdir()))
        except PermissionError:
            continue
    return figures


def folder_footprint(folder: Path) -> dict[str, float]:
    """Return "disk:PART" in bytes for each part of a run folder; clients and nodes are added up."""
    figures: dict[str, float] = {}
    for path in folder.rglob("*"):
        try:
            if path.is_symlink() or not path.is_file():
                continue
            size = path.stat().st_size
        except FileNotFoundError:  # replaced while we looked
            continue
        part = _part(path.relative_to(folder))
        figures[part] = figures.get(part, 0) + size
    return figures


def _part(path: Path) -> str:
    first = path.parts[0]
    if first == "objects":
        return "disk:updates" if path.parts[1] == "updates" else "disk:models"
    if first.startswith("superlink.db"):
        return "disk:superlink.db"
    if first.startswith("."):  # a file that is being written
        return "disk:other"
    return f"disk:{first}" if len(path.parts) > 1 or first.startswith("report.") else "disk:other"


def _role(pid: int) -> str | None:
    command = [Path(argument).name for argument in _read(pid, "cmdline").split("\0")[:4]]
    return next((role for program, role in _PROGRAMS.items() if program in command), None)


def _parents_role(process: Process) -> str:
    return _role(process.parent) or "a process that ended"


def _numbered(name: str, figures: dict[str, float]) -> str:
    if "SuperNode" not in name:
        return name
    taken = sum(key.startswith(f"memory:{name} ") for key in figures)
    return f"{name} {taken}"


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:  # it ended while we looked
        return ""
