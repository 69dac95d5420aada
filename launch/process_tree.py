"""Which processes belong together, as Linux shows it under /proc. Elsewhere every answer is empty.

Flower's processes start others, some in sessions of their own, so neither a process group nor a session holds them
all. Two things do: the environment they inherit, and who started whom. Both are needed: `flower-superexec` forbids
others to read its environment (it clears the kernel's "dumpable" flag), and a process whose parent died has lost its
place in the tree.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
_PARENT, _STARTED = 1, 19  # fields after the command name in /proc/PID/stat, see proc(5)


@dataclass(frozen=True)
class Process:
    """One process. The start time tells it from a later one that got the same number.

    The parent is left out of comparisons: it changes when the parent ends.
    """

    pid: int
    started_ticks: int
    parent: int = field(compare=False)


def running_processes() -> frozenset[Process]:
    """Every process of this machine that runs; one that ended and was not yet collected by its parent does not."""
    found = set()
    for entry in PROC.glob("[0-9]*/stat"):
        try:
            # The command name stands in brackets and may itself hold brackets and blanks: cut after the last one.
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if fields[0] not in "ZX":
            found.add(Process(int(entry.parent.name), int(fields[_STARTED]), int(fields[_PARENT])))
    return frozenset(found)


def marked_processes(mark: str) -> frozenset[Process]:
    """The processes whose environment holds `mark` ("NAME=value"), with everything that they started."""
    running = running_processes()
    wanted = mark.encode()
    return with_descendants((process for process in running if wanted in _environment(process.pid)), running)


def with_descendants(roots: Iterable[Process], running: frozenset[Process]) -> frozenset[Process]:
    """The roots and, among the running processes, all that descend from them."""
    found = set(roots)
    while True:
        pids = {process.pid for process in found}
        more = {process for process in running if process.parent in pids} - found
        if not more:
            return frozenset(found)
        found |= more


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended, or belongs to another account, or forbids it
        return []
