"""Keeps status.json up to date while the coordinator's process lives."""

import os
import platform
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from logging import WARNING
from pathlib import Path
from types import TracebackType
from typing import Self

from flwr.common.logger import log

from common.errors import CheckFailed
from server.recorded_reason import recorded_reason
from server.run_status import STATUS_FILE, Phase, RunStatus, read_status, started_ticks

SECONDS_BETWEEN = 0.5
"""Between two writes in one phase."""
HEARTBEAT_SECONDS = 5.0
"""How often a phase in which nothing happens is written again, so that a reader sees the process alive."""


class StatusWriter:
    """Told what happens, writes it down: at once when a phase begins, otherwise at most twice a second.

    A status that cannot be written ends no run: what must not be lost has other files, whose errors do.
    """

    def __init__(self, folder: Path, run_id: bytes, rounds: int, settled_rounds: int, phase_timeout: float) -> None:
        """Begin with the phase "starting".

        Args:
            folder: The run folder.
            run_id: 32 bytes.
            rounds: How many the run shall have.
            settled_rounds: Those that are decided already.
            phase_timeout: Seconds that a phase waits for replies.
        """
        self._folder = folder
        self._phase_timeout = phase_timeout
        self._written = 0.0
        self._changed = False
        self._writable = True
        now = time.time()
        pid = os.getpid()
        self._status = RunStatus(
            run_id=run_id.hex(),
            rounds=rounds,
            server_round=min(settled_rounds + 1, rounds),
            settled_rounds=settled_rounds,
            phase="starting",
            phase_began=now,
            updated=now,
            deadline=None,
            needed=0,
            online=0,
            asked=(),
            waiting_for=(),
            accounts={},
            last_settled=_last_settled(folder, run_id),
            reason="",
            host=platform.node(),
            pid=pid,
            started_ticks=started_ticks(pid),
        )
        self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note why the run ends, where it ends before its time; the error goes on its way."""
        if error is not None:
            text = " ".join(str(error).split())
            self._status = replace(self._status, reason=recorded_reason(f"{type(error).__name__}: {text}"))
            self._enter("failed")

    def wait_for_nodes(self, server_round: int, needed: int) -> None:
        """Begin to wait until enough nodes are online."""
        self._status = replace(self._status, server_round=server_round, needed=needed)
        self._enter("waiting")

    def see_online(self, nodes: Collection[int]) -> None:
        """Note how many nodes are online."""
        changed = len(nodes) != self._status.online
        self._status = replace(self._status, online=len(nodes))
        self.look(changed=changed)

    def ask(self, phase: Phase, nodes: Iterable[int]) -> None:
        """Begin a phase that sends these nodes a message each."""
        asked = tuple(nodes)
        self._enter(phase, deadline=time.time() + self._phase_timeout, asked=asked)

    @property
    def phase(self) -> Phase:
        """What the run does now."""
        return self._status.phase

    def ask_again(self, nodes: Iterable[int]) -> None:
        """Wait for these once more, in the phase that goes on."""
        waiting_for = tuple(dict.fromkeys((*self._status.waiting_for, *nodes)))
        self._status = replace(self._status, waiting_for=waiting_for)
        self.look(changed=True)

    def hear(self, node: int) -> None:
        """Note that a node has answered, in whatever way."""
        waiting_for = tuple(other for other in self._status.waiting_for if other != node)
        self._status = replace(self._status, waiting_for=waiting_for)
        self.look(changed=True)

    def know(self, nodes: Mapping[str, int]) -> None:
        """Note whose nodes these are, by account."""
        named = {node: account for account, node in nodes.items()}
        self._status = replace(self._status, accounts={**self._status.accounts, **named})

    def settle(self) -> None:
        """Begin to judge, fuse and settle."""
        self._enter("settle")

    def settled(self, server_round: int) -> None:
        """Note that a round is settled."""
        self._status = replace(self._status, settled_rounds=server_round, last_settled=time.time())
        self._write()

    def done(self) -> None:
        """Note that the run is complete."""
        self._enter("done")

    def look(self, *, changed: bool = False) -> bool:
        """Write what has changed, if the last write is long enough ago; return whether a heartbeat was due."""
        since = time.monotonic() - self._written
        self._changed |= changed
        due = since > HEARTBEAT_SECONDS
        if due or (self._changed and since > SECONDS_BETWEEN):
            self._write()
        return due

    def _enter(self, phase: Phase, deadline: float | None = None, asked: tuple[int, ...] = ()) -> None:
        self._status = replace(
            self._status, phase=phase, phase_began=time.time(), deadline=deadline, asked=asked, waiting_for=asked
        )
        self._write()

    def _write(self) -> None:
        self._changed = False
        self._written = time.monotonic()
        self._status = replace(self._status, updated=time.time())
        path = self._folder / STATUS_FILE
        beside = path.with_name(f".{STATUS_FILE}")  # one name, so that a killed process leaves at most one behind
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(self._status.to_bytes())  # not flushed to the disk: the next one comes soon
            beside.replace(path)
        except OSError as error:
            if self._writable:
                log(WARNING, "%s cannot be written: %s", path, error.strerror)
            self._writable = False
        else:
            self._writable = True


def _last_settled(folder: Path, run_id: bytes) -> float | None:
    """Return when the run that is taken up again last settled a round, as far as its earlier process has said."""
    try:
        earlier = read_status(folder)
    except CheckFailed as error:
        log(WARNING, "%s", error)
        return None
    return earlier.last_settled if earlier is not None and earlier.run_id == run_id.hex() else None
