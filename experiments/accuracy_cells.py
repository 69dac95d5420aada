"""One cell of the table of accuracy: one method on one data set with one seed, and what it cost."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common.config import Settings
from common.data.published import PUBLISHED
from common.data.splits import LEAST_INTERACTIONS
from common.data.user_items import NO_ITEM
from common.metrics import CUTOFFS
from common.models import Model
from experiments.baselines.array_bytes import array_bytes
from experiments.baselines.fedavg import fedncf_model
from experiments.baselines.methods import METHODS
from experiments.baselines.task import Task
from experiments.whole_federation import federated

METRICS = tuple(
    f"{prefix}{metric}_at_{k}" for prefix in ("", "full_") for metric in ("hit_ratio", "ndcg", "map") for k in CUTOFFS
)
"""Of `common.metrics`: among 99 sampled candidates, and on the full catalogue."""

FEDERATIONS: dict[str, dict[str, Any]] = {
    "T-FedRS, iALS": {"model": "ials"},
    "T-FedRS, NCF (GMF beside iALS)": {"model": "ncf", "variant": "fused"},
    "T-FedRS, NCF (NeuMF)": {"model": "ncf", "variant": "neumf"},
}
"""The whole system, by reputation; what differs from the settings that all methods share."""

CENTRAL = {f"central{name.removeprefix('T-FedRS')}": changes for name, changes in FEDERATIONS.items()}
BY_ARRAYS: dict[str, Callable[[Task], Model]] = {
    "FedNCF": fedncf_model,
    "Robust-FedAvg, median": lambda task: task.model,
    "Robust-FedAvg, trimmed mean": lambda task: task.model,
    "trust by accuracy": lambda task: task.model,
}
"""Federated by others, without messages: their bytes are those of one update and one model, not compressed."""

ALL_METHODS = (*(name for name in METHODS if name != "central"), *CENTRAL, *FEDERATIONS)


def cell(method: str, settings: Settings, root: Path | None) -> dict[str, float]:
    """Train and measure on the test items.

    Returns:
        `METRICS`; "wall_seconds" and "cpu_seconds" of all of it, data preparation and choosing by a grid included; for
        what is federated also "bytes_up" and "bytes_down", for one client and round.

    Raises:
        WrongUse: the data are missing, or too few for these settings.
    """
    wall, processor = time.perf_counter(), time.process_time()
    if method in FEDERATIONS:
        report = federated(replace(settings, **FEDERATIONS[method]), root)
        figures = {name: report["final"][name] for name in METRICS}
        heard = sum(row["participants"] for row in report["rounds"])
        for direction in ("bytes_up", "bytes_down"):
            figures[direction] = sum(row[direction] for row in report["rounds"]) / heard
    else:
        task = Task.of(replace(settings, **CENTRAL.get(method, {})), root)
        measured = METHODS["central" if method in CENTRAL else method](task)
        figures = {name: measured.test.metrics[name] for name in METRICS}
    cost = {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - processor}
    if method in BY_ARRAYS:
        cost |= array_bytes(BY_ARRAYS[method](task), task)
    return figures | cost


def size(settings: Settings, root: Path | None) -> str:
    """Say how large a data set is and how many of its users are evaluated.

    Raises:
        WrongUse: the data are missing, or cannot be ranked by these settings.
    """
    split = Task.of(settings, root).split
    tested, users = int(np.count_nonzero(split.test != NO_ITEM)), split.train.user_count
    interactions = len(split.train.items) + tested + int(np.count_nonzero(split.validation != NO_ITEM))
    counted = f"{users:,} users, {split.train.item_count:,} items, {interactions:,} interactions"
    if tested == users:
        return f"{counted}, all users evaluated"
    return f"{counted}, {tested:,} users evaluated: the others have fewer than {LEAST_INTERACTIONS} interactions"


def remark(dataset: str, root: Path) -> str:
    """Return what there is to know of the files that a data set was read from, in sentences."""
    published = PUBLISHED[dataset]
    return " ".join(published.remarks_on([path.name for path in published.found(root) or ()]))


def missing(
    record: dict[str, Any], datasets: list[str], methods: list[str], seeds: list[int]
) -> Iterator[tuple[str, str, int]]:
    """Yield data set, method and seed of every cell that the record lacks, seed by seed."""
    for dataset in datasets:
        for seed in seeds:
            for method in methods:
                if str(seed) not in record.get(dataset, {}).get("cells", {}).get(method, {}):
                    yield dataset, method, seed
