"""Every method of a comparison by its name: the same users, split, candidates and evaluator for all."""

from collections.abc import Callable

from experiments.baselines.accuracy_trust import accuracy_trust
from experiments.baselines.als import als
from experiments.baselines.array_rounds import Measured
from experiments.baselines.central import central
from experiments.baselines.ease import ease
from experiments.baselines.fedavg import fedncf
from experiments.baselines.item_knn import item_knn
from experiments.baselines.local_only import local_only
from experiments.baselines.popularity import popularity
from experiments.baselines.pure_svd import pure_svd
from experiments.baselines.robust_fedavg import median_fedavg, trimmed_fedavg
from experiments.baselines.task import Task

Method = Callable[[Task], Measured]


def _local_only(task: Task) -> Measured:
    return local_only(task.model, task.split, task.parts, task.settings.rounds, task.initial_rng())


def _central(task: Task) -> Measured:
    return central(task.model, task.split, task.settings.rounds, task.initial_rng())


METHODS: dict[str, Method] = {
    "popularity": lambda task: popularity(task.split),
    "item-kNN": item_knn,
    "PureSVD": pure_svd,
    "EASE": ease,
    "ALS (implicit)": als,
    "local only": _local_only,
    "central": _central,
    "FedNCF": fedncf,
    "Robust-FedAvg, median": median_fedavg,
    "Robust-FedAvg, trimmed mean": trimmed_fedavg,
    "trust by accuracy": accuracy_trust,
}
"""In the order of a table: without learning, central by others, ours alone and central, federated by others."""
