"""The messages of a run's last round, made again from its folder."""

import json
from pathlib import Path
from typing import Any

from common.commitment import SigningDomain
from common.config import Settings
from common.wire import PeerTask, RoundTask, Subject
from server.federation import load_federation
from server.received_updates import kept_updates
from server.run_folder import RunFolder
from server.submitted_run import federation_home


def round_task(run: Path) -> RoundTask:
    """What the last round's messages carried; of the settings, the defaults with the run's number of clients."""
    report = _report(run)
    rows = report["rounds"]
    model = rows[-2]["model"] if len(rows) > 1 else rows[-1]["model"]
    return RoundTask(
        run_id=bytes.fromhex(report["ledger"]["run_id"]),
        server_round=len(rows),
        domain=SigningDomain(report["ledger"]["chain_id"], report["ledger"]["address"]),
        settings=Settings(clients=report["clients"], model=report["model"]),
        model_bytes=RunFolder(run).get_object(model),
    )


def peer_task(run: Path, evaluator: str) -> PeerTask:
    """What the last round asked of a peer: everybody's update but its own, each on a shard of the probe set."""
    task = round_task(run)
    received = kept_updates(RunFolder(run), task.server_round, task.settings.compression)
    if received is None:
        raise ValueError(f"{run} does not hold the updates of round {task.server_round}")
    shards = load_federation(federation_home(run) / "coordinator").probe_shards
    subjects = tuple(
        Subject(account, update.update_bytes, update.commitment, update.salt, shards[index % len(shards)])
        for index, (account, update) in enumerate(received.updates.items())
        if account != evaluator
    )
    return PeerTask(task, len(received.updates), subjects)


def _report(run: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run / "report.json").read_bytes())
    return report
