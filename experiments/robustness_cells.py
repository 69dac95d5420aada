"""One cell of the benchmark: one attack against one defence, on one data set, at one share, with one seed."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.bounded_json import parse_json
from common.config import Settings
from common.metrics import CUTOFFS
from experiments.accuracy_cells import METRICS
from experiments.attacks.play import Played, play
from experiments.attacks.suite import ATTACKS
from experiments.defences.table import DEFENCES
from experiments.exposure import exposure_ratios
from experiments.trust_figures import (
    bound_of,
    false_penalties,
    reputation_aucs,
    reward_share,
    rounds_of,
    rounds_to_detection,
)
from server.run_folder import RunFolder

CLEAN = "clean"
"""The attack of a cell in which everybody is honest."""


@dataclass(frozen=True)
class Key:
    """Which cell.

    Fields:
        dataset: By name.
        attack: One of `ATTACKS`, or `CLEAN`.
        defence: One of `DEFENCES`.
        beta: Share of the clients that are malicious; 0 where it is clean.
        seed: Of the run.
    """

    dataset: str
    attack: str
    defence: str
    beta: float
    seed: int

    @property
    def folder(self) -> str:
        """The name of the cell's run folder."""
        return "-".join(str(part) for part in astuple(self))


def wanted(
    datasets: Sequence[str],
    attacks: Sequence[str],
    defences: Sequence[str],
    betas: Sequence[float],
    seeds: Sequence[int],
) -> Iterator[Key]:
    """Yield every cell that was asked for, seed by seed; the clean ones, which all attacks share, come first."""
    for dataset in datasets:
        for seed in seeds:
            for beta in sorted(betas):
                for attack in attacks if beta else [CLEAN]:
                    for defence in defences:
                        yield Key(dataset, attack, defence, beta, seed)


def key_of(cell: dict[str, Any]) -> Key:
    """Return which cell a record's cell is."""
    return Key(cell["dataset"], cell["attack"], cell["defence"], cell["beta"], cell["seed"])


def cell(key: Key, settings: Settings, root: Path | None, folder: Path, curve_every: int) -> dict[str, Any]:
    """Play the run in `folder` and measure it.

    Args:
        key: Which cell.
        settings: That all cells of the data set share.
        root: Folder of the data sets that are not bundled.
        folder: Where the run is to be left.
        curve_every: Exposure is measured after every so many rounds, and after the last.

    Returns:
        The key's fields; "malicious", how many clients; "targets"; "final", `METRICS`; "exposure", ER@K of each target
        by K; "curves", after each round, "exposure" after those of "exposure_rounds"; "auc" after each round;
        "detected_in"; "false_penalties"; "reward_share"; "bound", see `experiments.trust_figures.Bound`; "reputation"
        of each account after each round; "malicious_accounts"; and what it cost.

    Raises:
        WrongUse: the data are missing, or the attack makes no sense for this model.
    """
    wall, processor = time.perf_counter(), time.process_time()
    attack = None if key.attack == CLEAN else ATTACKS[key.attack]()
    defence = DEFENCES[key.defence]
    with defence.in_place():
        played = play(replace(defence.settings(settings), seed=key.seed), attack, key.beta, root, folder)
    return {
        **asdict(key),
        "targeted": attack is not None and attack.targeted,
        **_recommendations(played, curve_every),
        **_trust(played, folder),
        "wall_seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - processor, 1),
    }


def _recommendations(played: Played, curve_every: int) -> dict[str, Any]:
    rows = played.report["rounds"]
    at = sorted({*range(curve_every, len(rows), curve_every), len(rows)})
    exposures = [_exposure(played, server_round) for server_round in at]
    return {
        "targets": played.targets.tolist(),
        "final": {name: played.report["final"][name] for name in METRICS},
        "exposure": {str(k): _listed(exposures[-1][:, column]) for column, k in enumerate(CUTOFFS)},
        "curves": {
            **{name: [row[name] for row in rows] for name in ("ndcg_at_10", "full_ndcg_at_10")},
            "exposure_rounds": at,
            "exposure": {
                str(k): _listed(np.array([np.nanmean(one[:, column]) for one in exposures]))
                for column, k in enumerate(CUTOFFS)
            },
        },
    }


def _exposure(played: Played, server_round: int) -> Any:
    state = played.states[server_round - 1]
    model, data = played.model.at(state), played.data
    vectors = model.fold_in(state, data.train)
    return exposure_ratios(model, state, vectors, data.split.train, data.dataset.interactions, played.targets)


def _trust(played: Played, folder: Path) -> dict[str, Any]:
    run, numbers = RunFolder(folder), range(1, len(played.report["rounds"]) + 1)
    rounds = rounds_of([parse_json(run.get_evidence(number)) for number in numbers])
    malicious = played.malicious
    bound = bound_of(rounds, malicious)
    accounts = sorted({account for judged in rounds for account in judged})
    return {
        "malicious": len(malicious),
        "clients": len(accounts),
        "malicious_accounts": sorted(malicious),
        "auc": reputation_aucs(rounds, malicious),
        "detected_in": rounds_to_detection(rounds, malicious),
        "false_penalties": false_penalties(rounds, malicious),
        "reward_share": reward_share(rounds, malicious),
        "bound": None if bound is None else asdict(bound) | {"right": bound.right},
        "reputation": {
            account: [round(judged[account].reputation, 4) if account in judged else None for judged in rounds]
            for account in accounts
        },
    }


def _listed(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]
