"""`tfedrs status`: who is up, which round, what is waited for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure, WrongUse
from launch.flower_cli import Connection, read_flower_home
from launch.run_state import RunState, names_of_accounts, newest_run, read_run
from server.run_status import RunStatus
from server.submitted_run import federation_home

_DOING = {
    "starting": "opening the run on the ledger",
    "waiting": "waiting for nodes",
    "introduce": "asking new nodes who they are",
    "train": "training",
    "score": "scoring",
    "settle": "judging and settling",
    "final": "measuring the last model",
}
_WORDS = {"dead": "interrupted", "running": "running", "silent": "silent"}


@dataclass(frozen=True)
class Sight:
    """Where to look, beside the run folder.

    Attributes:
        connection: The SuperLink that knows which nodes are online; None where none is known.
        resume: What to type to go on with an interrupted run.
    """

    connection: Connection | None
    resume: Callable[[Path], str]


def status(folder: Path, sight: Sight | None = None) -> dict[str, Any]:
    """Look at the newest run of a folder and at the nodes of its federation; changes nothing.

    Args:
        folder: A run, or a federation; see `launch.run_state.newest_run`.
        sight: Where to look beside it; None finds out from the folder.

    Returns:
        run (None where none has begun), state ("not begun", "running", "done", "failed", "interrupted", "stopped" for a
        restored run, or "silent" for one on another machine that gives no sign of life), what status.json says, settled
        rounds, the last row's figures, nodes by name with whether they are online (None where no SuperLink answers),
        and advice.

    Raises:
        WrongUse: there is no run and no federation.
        CheckFailed: a file is damaged.
    """
    home = _home_of(folder)
    sight = sight or Sight(_connection(home), _resume_here)
    nodes = None if sight.connection is None else _nodes(sight.connection)
    try:
        run = read_run(newest_run(folder))
    except WrongUse:
        if not (home / "coordinator").is_dir():
            raise
        return {"run": None, "state": "not begun", "nodes": nodes, "advice": None}
    return _seen(run, nodes, names_of_accounts(home), sight, time.time())


def _seen(
    run: RunState, nodes: Mapping[str, bool] | None, names: Mapping[str, str], sight: Sight, now: float
) -> dict[str, Any]:
    last = run.rows[-1] if run.rows else {}
    seen: dict[str, Any] = {
        "run": str(run.folder),
        "state": _state(run, now),
        "settled_rounds": len(run.rows),
        "ndcg_at_10": next((row["ndcg_at_10"] for row in reversed(run.rows) if row.get("ndcg_at_10")), None),
        "participants": last.get("participants"),
        "left_out": len(last.get("rejected", [])),
        "nodes": nodes,
    }
    if (said := run.status) is not None:
        seen |= {
            "run_id": said.run_id,
            "rounds": said.rounds,
            "round": said.server_round,
            "phase": said.phase,
            "phase_seconds": max(0.0, round(now - said.phase_began, 1)),
            "seconds_to_deadline": None if said.deadline is None else round(said.deadline - now, 1),
            "settled_rounds": said.settled_rounds,
            "seconds_since_settlement": None if said.last_settled is None else round(now - said.last_settled, 1),
            "nodes_needed": said.needed,
            "nodes_online": said.online,
            "asked": len(said.asked),
            "waiting_for": [_node(node, said, names) for node in said.waiting_for],
            "reason": said.reason,
            "process": {"host": said.host, "pid": said.pid},
        }
    return seen | {"advice": _advice(run, seen["state"], sight)}


def describe(seen: Mapping[str, Any]) -> str:
    """Return what was seen in lines for people."""
    lines = [f"Run      {seen['run'] or 'none yet'}", f"State    {_sentence(seen)}"]
    if seen.get("settled_rounds") is not None:
        ago = seen.get("seconds_since_settlement")
        lines.append(
            f"Settled  {_count(seen['settled_rounds'], 'round')}{f', the last {_span(ago)} ago' if ago else ''}"
        )
    if seen.get("participants") is not None:
        quality = f", NDCG@10 {seen['ndcg_at_10']:.3f}" if seen["ndcg_at_10"] else ""
        updates = _count(seen["participants"], "update")
        lines.append(f"Last     {updates}, {seen['left_out']} left out or without weight{quality}")
    if seen["nodes"] is not None:
        away = [name for name, online in seen["nodes"].items() if not online]
        there = len(seen["nodes"]) - len(away)
        lines.append(f"Nodes    {there} of {len(seen['nodes'])} online{f'; away: {_listed(away)}' if away else ''}")
    elif seen["state"] == "running" and seen.get("nodes_online"):
        lines.append(f"Nodes    {seen['nodes_online']} online when the run last looked")
    if seen["advice"]:
        lines.append(f"Do       {seen['advice']}")
    return "\n".join(lines)


def _sentence(seen: Mapping[str, Any]) -> str:
    state = seen["state"]
    if "phase" not in seen:
        return str(state)
    place = f"round {seen['round']} of {seen['rounds']}"
    if state == "done":
        return f"done, {seen['rounds']} of {_count(seen['rounds'], 'round')}"
    if state == "failed":
        return f"failed in {place}: {seen['reason']}"
    doing = f"{place}, {_DOING.get(seen['phase'], seen['phase'])}"
    if state in ("interrupted", "silent"):
        how = "its process has gone" if state == "interrupted" else "it gives no sign of life"
        return f"{state} in {doing}: {how}"
    if seen["phase"] == "waiting":
        doing += f": {seen['nodes_online']} of {seen['nodes_needed']}"
    waited_for = sorted(one["name"] or one["account"] or f"node {one['node']}" for one in seen["waiting_for"])
    if waited_for:
        doing += f"; {len(waited_for)} of {seen['asked']} have not answered: {_listed(waited_for)}"
    limit = seen["seconds_to_deadline"]
    deadline = f", at most {_span(limit)} more" if limit is not None and limit > 0 else ""
    return f"{doing}; for {_span(seen['phase_seconds'])}{deadline}"


def _state(run: RunState, now: float) -> str:
    if run.status is None:
        return "done" if run.report.get("final") else "stopped"  # restored from a backup, which holds no status
    life = run.status.life(now)
    return run.status.phase if life == "ended" else _WORDS[life]


def _advice(run: RunState, state: str, sight: Sight) -> str | None:
    if state not in ("interrupted", "failed", "stopped"):
        return None
    if run.report.get("ledger", {}).get("kind") == "memory":
        return "its ledger was kept in memory and is gone; start another run"
    return f"go on with `{sight.resume(run.folder)}`; {run.folder / 'logs'} may say more"


def _resume_here(run: Path) -> str:
    home = federation_home(run)
    if home == run:
        return f"tfedrs run --resume {run}"
    return f"flwr run . local -c 'run-dir=\"runs/{run.name}\"'"


def _home_of(folder: Path) -> Path:
    """Return the folder with `coordinator/` in it."""
    folder = folder.resolve()
    if (folder / "federation.json").exists():
        return folder.parent
    if (folder / "coordinator").is_dir():
        return folder
    try:
        return federation_home(newest_run(folder))
    except WrongUse:
        return folder


def _connection(home: Path) -> Connection | None:
    return read_flower_home(home / "served" / "flower" / "cli") or read_flower_home(home / "flower" / "cli")


def _nodes(connection: Connection) -> dict[str, bool] | None:
    """Ask the SuperLink which nodes may connect and which do; None where it does not answer."""
    from launch.control_api import ControlApi, NoAnswer  # noqa: PLC0415 - flwr, a second

    try:
        with ControlApi(connection.address, connection.authority, Path("the superlink's log")) as control:
            return {name: online for name, (_, online) in sorted(control.nodes_by_name().items())}
    except (NoAnswer, EnvironmentFailure, OSError):
        return None


def _node(node: int, said: RunStatus, names: Mapping[str, str]) -> dict[str, str | None]:
    account = said.accounts.get(node)
    return {"node": str(node), "account": account, "name": names.get(account or "")}


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _span(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole // 60 % 60} min"
