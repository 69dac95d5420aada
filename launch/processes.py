"""Child processes that never outlive the program that started them."""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from common.errors import EnvironmentFailure
from launch.process_tree import Process, marked_processes, running_processes, with_descendants
from launch.termination import termination_raises, uninterrupted
from launch.tethered import tethered

LOOPBACK = "127.0.0.1"
MARK_VARIABLE = "TFEDRS_SUPERVISOR"
GRACE_SECONDS = 5.0
POLL_SECONDS = 0.1
_TAIL_BYTES = 16_384
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_SPEAKS_OF_AN_ERROR = re.compile(r"ERROR|Error|Exception|Errno|error: ")  # "uvicorn.error" is only a logger's name


@dataclass(frozen=True)
class ChildProcess:
    """A process with a name for people and a log file for what it writes.

    It leads a session of its own, so that Ctrl-C in the terminal reaches the launcher alone, which then stops it.
    """

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self.process.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs; -N when signal N ended it."""
        return self.process.poll()

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that stayed in its group."""
        with suppress(ProcessLookupError, PermissionError):  # macOS answers so for a group of ended processes
            os.killpg(self.pid, number)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ask it to end (SIGTERM), wait, then end it and its group (SIGKILL). Ended already: nothing happens."""
        _stop_together([self], grace_seconds)

    def last_error(self) -> str:
        """The last line of the log that speaks of an error, else the last line; "" for an empty log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            tail = _TERMINAL_COLOURS.sub("", file.read().decode(errors="replace"))
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        errors = [line for line in lines if _SPEAKS_OF_AN_ERROR.search(line)]
        return (errors or lines or [""])[-1]

    def raise_if_ended(self, when: str) -> None:
        """Raise EnvironmentFailure, one sentence with the log's name, if the process runs no longer."""
        if self.poll() is not None:
            raise EnvironmentFailure(f"{self.why_it_ended(when)}: see {self.log}")

    def why_it_ended(self, when: str) -> str:
        """Return who ended, when and why, of a process that runs no longer."""
        code = self.process.wait()
        # A process that was killed had no time to say why; its last line is about something else.
        reason = f"killed by {signal.Signals(-code).name}" if code < 0 else self.last_error() or f"exit code {code}"
        return f"the {self.name} stopped {when} ({reason})"


class Supervisor:
    """Starts processes, and stops all of them, with all that they started, when its `with` block is left.

    Left in whatever way: at the end, by an exception, by Ctrl-C, and by SIGTERM, which raises SystemExit here. The
    processes of one supervisor are stopped side by side. Where order matters, nest: the inner one stops first.
    """

    def __init__(self) -> None:
        self._children: list[ChildProcess] = []
        self._mark = f"{MARK_VARIABLE}={secrets.token_hex(8)}"
        self._signals = ExitStack()

    @property
    def children(self) -> tuple[ChildProcess, ...]:
        """The processes in the order in which they were started."""
        return tuple(self._children)

    def __enter__(self) -> Self:
        self._signals.enter_context(termination_raises())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._signals:
            self.stop()

    def start(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, log: Path
    ) -> ChildProcess:
        """Start a process in `folder`; what it writes is added to `log`, it reads nothing.

        Raises:
            EnvironmentFailure: the program is not there or cannot be run.
        """
        variable, _, value = self._mark.partition("=")
        log.parent.mkdir(parents=True, exist_ok=True)
        if shutil.which(command[0], path=environment.get("PATH")) is None:  # what tethers it would not say so
            raise EnvironmentFailure(f"the {name} cannot be started: there is no program {command[0]}")
        with log.open("ab") as output, uninterrupted():
            try:
                process = subprocess.Popen(
                    tethered(command),
                    env={**environment, variable: value},
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise EnvironmentFailure(f"the {name} cannot be started: {error}") from error
            child = ChildProcess(name, log, process)
            self._children.append(child)
        return child

    def raise_if_any_ended(self, when: str) -> None:
        """Raise EnvironmentFailure for the first process that runs no longer."""
        for child in self._children:
            child.raise_if_ended(when)

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stop every process, then end whatever they started and left behind; return when nothing is left."""
        if not self._children:
            return
        with uninterrupted():
            known = marked_processes(self._mark)  # before a parent's end cuts its children off the tree
            _stop_together(self._children, grace_seconds)
            _end_all(known, self._mark)
            self._children.clear()


def wait_until(ready: Callable[[], bool], what: str, *, watched: Sequence[ChildProcess], seconds: float) -> None:
    """Poll `ready` until it says yes.

    Raises:
        EnvironmentFailure: a watched process ended meanwhile, or the time is over ("WHAT is not up after S s").
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for child in watched:
            child.raise_if_ended("while starting")
        if time.monotonic() > deadline:
            logs = ", ".join(str(child.log) for child in watched)
            raise EnvironmentFailure(f"{what} is not up after {seconds:g} s: see {logs}")
        time.sleep(POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on now; the system picks them."""
    with ExitStack() as stack:  # all are held until the last is known, or the same could come twice
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for unused in sockets:
            unused.bind((LOOPBACK, 0))
        return [int(unused.getsockname()[1]) for unused in sockets]


def require_free_port(port: int, host: str = LOOPBACK) -> None:
    """Raise EnvironmentFailure if this port of an address of this machine cannot be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do: closed connections do not count
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EnvironmentFailure(
                f"port {port} of {host} cannot be used ({error.strerror}): stop what uses it or choose another"
            ) from error


def _stop_together(children: Sequence[ChildProcess], grace_seconds: float) -> None:
    running = [child for child in children if child.poll() is None]  # the number of an ended one may be in use again
    for child in running:
        child.signal_group(signal.SIGTERM)
    for _ in _polls(grace_seconds):
        if all(child.poll() is not None for child in running):
            break
    for child in running:
        child.signal_group(signal.SIGKILL)  # also where the leader has just ended: its group may not have
        child.process.wait()


def _end_all(known: frozenset[Process], mark: str) -> None:
    """End with SIGKILL what of `known` still runs, what carries the mark, and what descends from either."""
    for _ in _polls(GRACE_SECONDS):
        running = running_processes()
        left = with_descendants(known & running, running) | marked_processes(mark)
        if not left:
            return
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def _polls(seconds: float) -> Iterator[None]:
    """Yield at once and then every POLL_SECONDS until the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        yield
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)
