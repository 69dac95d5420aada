"""One cell of the table of accuracy: one method on one data set with one seed, and what it cost."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.config import Settings
from common.errors import WrongUse
from common.metrics import CUTOFFS
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
ALL_METHODS = (*(name for name in METHODS if name != "central"), *CENTRAL, *FEDERATIONS)


def cell(method: str, settings: Settings, root: Path | None) -> dict[str, float]:
    """Train and measure on the test items.

    Returns:
        `METRICS`, "wall_seconds" and "cpu_seconds" of all of it, data preparation included; for a federation also
        "bytes_up" and "bytes_down", for one client and round.

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
        changed = replace(settings, **CENTRAL.get(method, {}))
        measured = METHODS["central" if method in CENTRAL else method](Task.of(changed, root))
        figures = {name: measured.test.metrics[name] for name in METRICS}
    return figures | {
        "wall_seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - processor,
    }


def refusal(settings: Settings, root: Path | None) -> str | None:
    """Say why a data set cannot be ranked by these settings, None where it can."""
    try:
        Task.of(settings, root)
    except WrongUse as error:
        return str(error)
    return None


def missing(
    record: dict[str, Any], datasets: list[str], methods: list[str], seeds: list[int]
) -> Iterator[tuple[str, str, int]]:
    """Yield data set, method and seed of every cell that the record lacks, seed by seed."""
    for dataset in datasets:
        for seed in seeds:
            for method in methods:
                if str(seed) not in record.get(dataset, {}).get("cells", {}).get(method, {}):
                    yield dataset, method, seed
