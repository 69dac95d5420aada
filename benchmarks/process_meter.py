"""Processor time and memory of everything that this process started, looked at ten times a second.

Linux keeps the greatest memory that a process ever had (VmHWM) until its end, so that a look misses only what a process
adds after the last one. Processor time is complete: that of a process which ended is counted with its parent, or with
its own entry until the parent has collected it.
"""

import os
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
CLIENT = "clients"
_PROGRAMS = {
    b"flwr-clientapp": CLIENT,
    b"flwr-serverapp": "ServerApp",
    b"flower-superlink": "SuperLink",
    b"flower-supernode": "SuperNodes",
    b"flower-superexec": "SuperExecs",
    b"anvil": "chain",
    b"launch.embedded_chain": "chain",
}
_PSS_SECONDS = 0.25  # adding up a process's pages takes a millisecond or two


@dataclass
class ClientProcess:
    """One process that answered one message; times are those of `time.time`, memory is in bytes."""

    pid: int
    first_seen: float
    last_seen: float
    cpu_seconds: float = 0.0
    peak_rss: int = 0
    peak_pss: int = 0
    pss_at: float = 0.0


class ProcessMeter:
    """Looks as long as its `with` block runs."""

    def __init__(self, seconds: float = 0.1) -> None:
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._tracked: set[int] = set()
        self._others: set[int] = set()
        self._roles: dict[int, str] = {}
        self._own: dict[tuple[str, int, str], float] = {}
        self._first_seen: dict[int, float] = {}
        self._running: dict[int, ClientProcess] = {}
        self._ended: list[ClientProcess] = []
        self._times: list[float] = []
        self._cpu: list[dict[str, float]] = []

    def __enter__(self) -> Self:
        self._look(time.time())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look(time.time())

    def cpu_between(self, began: float, ended: float) -> dict[str, float]:
        """Processor seconds between two times of `time.time`, both of them past: of "all" processes, and by program.

        The programs' own figures lack what a process used after the last look at it.
        """
        while self._thread.is_alive() and self._times[-1] < ended:
            time.sleep(self._seconds)
        before, after = self._cpu_at(began), self._cpu_at(ended)
        return {program: seconds - before.get(program, 0.0) for program, seconds in after.items()}

    def client_processes(self, began: float, ended: float) -> list[ClientProcess]:
        """The client processes that began between two times and have ended."""
        return [process for process in list(self._ended) if began <= process.first_seen < ended]

    def _cpu_at(self, moment: float) -> dict[str, float]:
        place = bisect_left(self._times, moment)
        if place in (0, len(self._cpu)):
            raise ValueError("the meter did not run at that time")
        before, after = self._times[place - 1], self._times[place]
        share = (moment - before) / (after - before)
        earlier, later = self._cpu[place - 1], self._cpu[place]
        return {name: (1 - share) * earlier.get(name, 0.0) + share * seconds for name, seconds in later.items()}

    def _look_on(self) -> None:
        while not self._stop.wait(self._seconds):
            self._look(time.time())

    def _look(self, now: float) -> None:
        present = {int(name) for name in os.listdir(_PROC) if name.isdecimal()}  # noqa: PTH208 - no paths are needed
        self._tracked &= present
        self._others &= present
        for pid in set(self._roles) - present:
            del self._roles[pid]
            if pid in self._running:
                self._ended.append(self._running.pop(pid))
        of_children = os.times()
        total = of_children.children_user + of_children.children_system  # of those that this process has collected
        for pid in sorted(present - self._others):  # parents come before their children, as a rule
            fields = _stat(pid)
            if fields is None:
                continue
            if pid not in self._tracked:
                if int(fields[1]) not in self._tracked | {os.getpid()}:
                    self._others.add(pid)
                    continue
                self._tracked.add(pid)
                self._first_seen[pid] = now
            own = (int(fields[11]) + int(fields[12])) / _TICKS
            total += own + (int(fields[13]) + int(fields[14])) / _TICKS
            ended = fields[0] == "Z"
            # Between fork and exec a process bears its parent's name, so it is named at the second look.
            if not ended and pid not in self._roles and self._first_seen[pid] < now:
                self._name(pid)
            if pid in self._roles:
                self._own[self._roles[pid], pid, fields[19]] = own  # with the time of its start: numbers come again
            if pid in self._running:
                self._look_at_client(self._running[pid], ended, own, now)
        by_program: dict[str, float] = {"all": total}
        for (role, _, _), seconds in self._own.items():
            by_program[role] = by_program.get(role, 0.0) + seconds
        self._cpu.append(by_program)
        self._times.append(now)  # last, since others read how far the meter is

    def _name(self, pid: int) -> None:
        command = _read(pid, "cmdline").split(b"\0")[:4]
        for program, role in _PROGRAMS.items():
            if any(argument.endswith(program) for argument in command):
                self._roles[pid] = role
                if role == CLIENT:
                    self._running[pid] = ClientProcess(pid, self._first_seen[pid], self._first_seen[pid])

    def _look_at_client(self, process: ClientProcess, ended: bool, cpu_seconds: float, now: float) -> None:
        process.cpu_seconds = cpu_seconds
        if ended:
            self._ended.append(self._running.pop(process.pid))
            return
        process.last_seen = now
        process.peak_rss = max(process.peak_rss, _kilobytes(_read(process.pid, "status"), b"VmHWM:"))
        if now - process.pss_at >= _PSS_SECONDS:
            process.pss_at = now
            process.peak_pss = max(process.peak_pss, _kilobytes(_read(process.pid, "smaps_rollup"), b"Pss:"))


def _stat(pid: int) -> list[str] | None:
    content = _read(pid, "stat").decode(errors="replace")
    return content.rpartition(")")[2].split() or None


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:  # it ended while we looked
        return b""


def _kilobytes(content: bytes, field: bytes) -> int:
    for line in content.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0
