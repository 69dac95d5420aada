"""A run with malicious clients: the real system in one process, with a ledger in memory."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from common.config import Settings
from common.metrics import IntArray
from common.models import Arrays, Model, model_of
from common.update import decode_model
from experiments.attacks.attack import Attack
from experiments.attacks.colluders import Colluders
from experiments.attacks.targets import draw_malicious, draw_targets
from launch.preparation import PreparedData, prepare_data
from launch.prepared_run import MEMORY, prepared_run
from launch.run_options import RunOptions
from launch.simulation import simulate
from server.run_folder import RunFolder


class States(Sequence[Arrays]):
    """The model's state after each round of a run, read when it is asked for."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = RunFolder(folder), names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Arrays: ...
    @overload
    def __getitem__(self, index: slice) -> "States": ...

    def __getitem__(self, index: int | slice) -> "Arrays | States":
        if isinstance(index, slice):
            return States(self._folder.path, self._names[index])
        return decode_model(self._folder.get_object(self._names[index])).arrays


@dataclass(frozen=True, eq=False)
class Played:
    """A run that was played.

    Attributes:
        folder: The run folder, which `tfedrs verify` can be asked about.
        report: Its report.json.
        accounts: Of all clients, in the order of `data.parts`.
        malicious: Accounts of the malicious clients.
        targets: The items that a targeted attack pushes; drawn for every run, so that a clean one can be measured by
            them too. Shape (targets,).
        model: What was trained.
        states: After each round, `states[0]` after the first.
        data: What was trained on.
    """

    folder: Path
    report: dict[str, Any]
    accounts: tuple[str, ...]
    malicious: frozenset[str]
    targets: IntArray
    model: Model
    states: States
    data: PreparedData


def play(
    settings: Settings,
    attack: Attack | None,
    malicious_share: float,
    data_root: Path | None,
    folder: Path,
    targets_each: int = 5,
) -> Played:
    """Play a run in which some clients attack.

    Args:
        settings: Of the run.
        attack: What malicious clients do; None: nobody attacks, whatever their share.
        malicious_share: Of the clients, in [0, 1].
        data_root: Folder of the data sets that are not bundled.
        folder: The run folder, which stays.
        targets_each: How many cold and how many mid-popular items are pushed together.

    Raises:
        WrongUse: data and settings do not fit, or attacks are not written for the model.
        Exception: whatever an attack itself raised; its run is no measurement.
    """
    logging.getLogger("flwr").setLevel(logging.WARNING)
    data = prepare_data(settings, data_root)
    targets = draw_targets(data.train, targets_each, settings.seed)
    options = RunOptions(out=folder, chain=MEMORY, account_dir=None, deployment=None, data_root=data_root)
    with prepared_run(settings, options) as ready:
        attackers = draw_malicious(settings.clients, malicious_share if attack else 0.0, settings.seed)
        accounts = {ready.client_dirs[number]: ready.client_accounts[number] for number in attackers}
        colluders = Colluders(attack, settings, list(accounts), targets, ready.folder) if attack else None
        behaviours = {path: colluders.behaviour(account) for path, account in accounts.items()} if colluders else {}
        simulate(
            settings,
            ready.federation,
            ready.client_dirs,
            ready.ledger,
            ready.folder,
            on_reply=lambda: None,
            behaviours=behaviours,
        )
        if colluders and colluders.failures:
            raise colluders.failures[0]
    report = json.loads((ready.folder / "report.json").read_bytes())
    return Played(
        folder=ready.folder,
        report=report,
        accounts=ready.client_accounts,
        malicious=frozenset(accounts.values()),
        targets=targets,
        model=model_of(settings),
        states=States(ready.folder, [row["model"] for row in report["rounds"]]),
        data=data,
    )
