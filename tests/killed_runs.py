"""Runs of the small federation in child processes that really end, at any step of theirs.

The steps are found, not listed: what the interpreter's audit reports of files below the run (a file opened for
writing, renamed, removed, a folder made), the ledger's writes as its protocol declares them, what goes over the grid,
and, where asked for, each line of the modules that play a round. A child ends by `os._exit` just before its step: no
`finally` and no `except` of the program sees it, as with SIGKILL. The ledger keeps its own state, as a chain does.
"""

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, get_type_hints

from client.app import build_app
from launch.in_process_grid import InProcessGrid
from server import coordinator, received_updates, run_recorder, strategy
from server.ledger import Ledger, Receipt
from server.memory_ledger import MemoryLedger
from tests.small_federation import Act, SmallFederation

KILLED = 137
LINES_OF = frozenset(str(module.__file__) for module in (coordinator, received_updates, run_recorder, strategy))
WRITES = tuple(
    sorted(
        name
        for name, method in vars(Ledger).items()
        if callable(method)
        and not name.startswith("_")
        and get_type_hints(method).get("return") in (Receipt, Receipt | None)
    )
)
_FILE_EVENTS = {"os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.truncate": 1, "os.link": 2}
"""Audit events, and how many of their first arguments are paths."""


@dataclass(frozen=True)
class Scene:
    """What is played: a federation, and what some of its clients do instead of answering."""

    federation: SmallFederation
    acts: dict[int, Act]
    keeps_replies: bool = False
    tensorboard: bool = False


def play(scene: Scene, folder: Path, end_before: int | None = None, *, lines: bool = False) -> list[str] | None:
    """Play in a child process, from its first round or from where an earlier child ended.

    Args:
        scene: Its client folders are copied below `folder` at the first call.
        folder: Gets `run/`, `participants/` and the ledger.
        end_before: The number of the step, from 1, before which the child ends; None plays to the end.
        lines: Whether lines are steps too.

    Returns:
        The steps that were taken; None where the child was ended.
    """
    report = folder / "steps.pickle"
    child = os.fork()
    if child == 0:
        try:
            steps = _Steps(folder, end_before, lines)
            _play(scene, folder, steps)
            report.write_bytes(pickle.dumps(steps.seen))
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not go on as a second pytest
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), code
    if code == KILLED:
        return None
    seen: list[str] = pickle.loads(report.read_bytes())  # noqa: S301 - written above
    report.unlink()
    return seen


def ledger_of(scene: Scene, folder: Path) -> MemoryLedger:
    """The ledger as the last write left it; where none was made, a new one."""
    kept = folder / "ledger.pickle"
    return pickle.loads(kept.read_bytes()) if kept.exists() else scene.federation.ledger()  # noqa: S301


class _Steps:
    def __init__(self, folder: Path, end_before: int | None, lines: bool) -> None:
        self.seen: list[str] = []
        self._folder = str(folder)
        self._end_before = end_before
        self._watching = False
        self._lines = lines

    def begin(self) -> None:
        os.fsync = lambda descriptor: None  # nothing here outlives the machine anyway
        sys.addaudithook(self._audit)
        self._watching = True
        if self._lines:
            sys.settrace(self._trace)

    def end(self) -> None:
        sys.settrace(None)
        self._watching = False

    def take(self, name: str) -> None:
        self.seen.append(name)
        if len(self.seen) == self._end_before:
            os._exit(KILLED)

    def aside(self, act: Callable[[], Any]) -> Any:
        """Do something that is no step of the program."""
        self._watching = False
        try:
            return act()
        finally:
            self._watching = True

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            self._file(event, arguments[:1])
        elif event in _FILE_EVENTS:
            self._file(event, arguments[: _FILE_EVENTS[event]])

    def _file(self, event: str, paths: Sequence[Any]) -> None:
        names = [str(path) for path in paths]
        if names[-1].startswith(self._folder) or event == "os.rmdir":  # a tree is removed by names within its folder
            self.take(f"{event} {Path(names[-1]).name}")

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in LINES_OF:
            return None
        if event == "line":
            self.take(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        return self._trace


class _ChainAside:
    """A ledger whose state lies outside of the run, as a chain's does: each write is there before it is answered."""

    def __init__(self, ledger: MemoryLedger, kept: Path, steps: _Steps) -> None:
        self._ledger, self._kept, self._steps = ledger, kept, steps

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._ledger, name)
        if name not in WRITES:
            return attribute

        def write(*arguments: Any) -> Any:
            self._steps.take(f"before {name}")
            receipt = attribute(*arguments)
            self._steps.aside(lambda: self._kept.write_bytes(pickle.dumps(self._ledger)))
            self._steps.take(f"after {name}")
            return receipt

        return write


def _play(scene: Scene, folder: Path, steps: _Steps) -> None:
    push, pull = InProcessGrid.push_messages, InProcessGrid.pull_messages

    def pushed(grid: InProcessGrid, messages: Any) -> Any:
        steps.take("push")
        return push(grid, messages)

    def pulled(grid: InProcessGrid, message_ids: Any) -> Any:
        steps.take("pull")
        return pull(grid, message_ids)

    InProcessGrid.push_messages, InProcessGrid.pull_messages = pushed, pulled  # type: ignore[method-assign]
    federation = scene.federation
    if scene.keeps_replies:
        federation = replace(
            federation, client_dirs=[folder / "participants" / path.name for path in federation.client_dirs]
        )
    ledger = _ChainAside(ledger_of(scene, folder), folder / "ledger.pickle", steps)
    steps.begin()
    federation.play(
        folder / "run",
        ledger,  # type: ignore[arg-type]
        acts=scene.acts,
        app=build_app() if scene.keeps_replies else None,
        tensorboard=scene.tensorboard,
    )
    steps.end()
