"""status.json in the run folder: where a run stands this moment, for people and monitors. It is no evidence.

The coordinator's process rewrites it (`server/status_writer.py`); `tfedrs status` and the metrics read it.
"""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from common.bounded_json import parse_json
from common.errors import CheckFailed

STATUS_FILE = "status.json"
FORMAT = 1
Phase = Literal["starting", "waiting", "introduce", "train", "score", "settle", "final", "done", "failed"]
"""In the order of a run; "waiting" is for nodes to connect, "introduce" asks new ones who they are (only where rounds
draw whom they ask), "final" measures the last model."""
ENDED: frozenset[Phase] = frozenset({"done", "failed"})
Life = Literal["ended", "running", "dead", "silent"]
SILENT_SECONDS = 120.0
"""Of a run on another machine: no sign of life for so long; a settlement on a slow chain takes less."""
_PROC = Path("/proc")
_STARTED = 19  # the start time among the fields after the command name in /proc/PID/stat, see proc(5)


@dataclass(frozen=True)
class RunStatus:
    """The content of status.json.

    Attributes:
        run_id: 64 hexadecimal digits.
        rounds: How many the run shall have.
        server_round: The round that goes on.
        settled_rounds: Rounds that are decided.
        phase: What the coordinator does.
        phase_began, updated: Unix time in seconds.
        deadline: When the phase ends at the latest; None where it has no limit.
        needed: Nodes that must be online before a round begins.
        online: Nodes that were, when the coordinator last looked.
        asked: Ids of the nodes that were sent a message in this phase.
        waiting_for: Those among them that have not answered yet.
        accounts: Whose nodes they are, by node id, as far as signed replies have said.
        last_settled: When this run last settled a round; None before the first.
        reason: Why the run failed; "" otherwise.
        host, pid, started_ticks: The coordinator's process; the start time tells it from a later one of that number.
    """

    run_id: str
    rounds: int
    server_round: int
    settled_rounds: int
    phase: Phase
    phase_began: float
    updated: float
    deadline: float | None
    needed: int
    online: int
    asked: tuple[int, ...]
    waiting_for: tuple[int, ...]
    accounts: Mapping[int, str]
    last_settled: float | None
    reason: str
    host: str
    pid: int
    started_ticks: int | None

    def to_bytes(self) -> bytes:
        """Return the file's bytes; node ids, which go to 2^64, are decimal texts."""
        record = asdict(self) | {
            "format": FORMAT,
            "asked": list(map(str, self.asked)),
            "waiting_for": list(map(str, self.waiting_for)),
            "accounts": {str(node): account for node, account in self.accounts.items()},
        }
        return json.dumps(record, indent=2).encode()

    def life(self, now: float) -> Life:
        """Tell whether the process that wrote this still runs.

        Args:
            now: Unix time in seconds. Of a process on another machine only its silence can be seen.
        """
        if self.phase in ENDED:
            return "ended"
        if self.host != platform.node():
            return "silent" if now - self.updated > SILENT_SECONDS else "running"
        return "running" if _runs(self.pid, self.started_ticks) else "dead"


def read_status(folder: Path) -> RunStatus | None:
    """Read a run's status, None where the run has not begun.

    Raises:
        CheckFailed: the file is damaged.
    """
    path = folder / STATUS_FILE
    try:
        return _status_of(parse_json(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CheckFailed(
            f"{path} cannot be read ({error}); remove it, the run writes a new one when it goes on."
        ) from error


def started_ticks(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since the machine's start.

    None where that is not told, and for a process that has ended and was not yet collected by its parent.
    """
    try:
        # The command name stands in brackets and may itself hold brackets and blanks: cut after the last one.
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[_STARTED])


def _runs(pid: int, ticks: int | None) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, under another account
        pass
    return started_ticks(pid) == ticks


def _status_of(record: dict[str, object]) -> RunStatus:
    if record.pop("format") != FORMAT:
        raise ValueError("it has another format")
    kinds: dict[str, type | tuple[type, ...]] = {
        **dict.fromkeys(("run_id", "reason", "host", "phase"), str),
        **dict.fromkeys(("rounds", "server_round", "settled_rounds", "needed", "online", "pid"), int),
        **dict.fromkeys(("phase_began", "updated"), (int, float)),
        **dict.fromkeys(("deadline", "last_settled"), (int, float, type(None))),
        "started_ticks": (int, type(None)),
        "asked": list,
        "waiting_for": list,
        "accounts": dict,
    }
    if wrong := [name for name, kind in kinds.items() if not isinstance(record[name], kind)]:
        raise ValueError(f"{wrong[0]} is of another type")
    if record["phase"] not in get_args(Phase):
        raise ValueError(f"there is no phase {record['phase']!r}")
    accounts: dict[str, str] = record["accounts"]  # type: ignore[assignment]
    return RunStatus(
        **record  # type: ignore[arg-type]
        | {
            "asked": tuple(map(int, record["asked"])),  # type: ignore[call-overload]
            "waiting_for": tuple(map(int, record["waiting_for"])),  # type: ignore[call-overload]
            "accounts": {int(node): str(account) for node, account in accounts.items()},
        }
    )
