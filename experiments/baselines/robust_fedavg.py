"""Robust-FedAvg: each number of the update is the median, or the trimmed mean, of what the clients sent.

[Yin, Chen, Ramchandran, Bartlett (2018), "Byzantine-robust distributed learning", Algorithm 1, options I and II.] The
T-FedRS paper names its Robust-FedAvg after a work on blockchains and homomorphic encryption and gives no rule; these
two are the usual ones.

A client whose users do not have an item sends no row for it. Where updates are sums, as for iALS, that row is zero,
which is exact: a sum over nobody. For means, as for ratings, it is zero because the client asks for no change. So an
item that fewer than half of the clients have does not learn by the median at all. That is the price of the rule and not
of this code; it is highest for rare items.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, Model
from experiments.baselines.array_rounds import Aggregate, Measured, measure, state_after
from experiments.baselines.task import Task

TRIMMED_SHARE = 0.2
"""Of the clients, cut off at either end; the rule withstands as many attackers and no more."""

Statistic = Callable[[NDArray[Any]], NDArray[Any]]
"""From shape (clients, ...) to shape (...)."""


def coordinate_median(stacked: NDArray[Any]) -> NDArray[Any]:
    """Return the median over the first axis; of an even number, the mean of the middle two."""
    median: NDArray[Any] = np.median(stacked, axis=0)
    return median


def trimmed_mean(stacked: NDArray[Any], share: float = TRIMMED_SHARE) -> NDArray[Any]:
    """Return the mean over the first axis without the highest and the lowest `share`; from three on, at least one."""
    clients = len(stacked)
    cut = max(int(share * clients), 1) if clients > 2 else 0
    kept: NDArray[Any] = np.sort(stacked, axis=0)[cut : clients - cut].mean(axis=0)
    return kept


def robust(statistic: Statistic) -> Aggregate:
    """Return the server that takes K times the typical update, K being the number of clients."""
    return partial(_aggregate, statistic)


def median_fedavg(task: Task) -> Measured:
    """Train the federation's own model with the coordinate median."""
    return _train(task, coordinate_median)


def trimmed_fedavg(task: Task) -> Measured:
    """Train the federation's own model with the trimmed mean."""
    return _train(task, trimmed_mean)


def typical_update(updates: Sequence[Arrays], row_arrays: Sequence[str], statistic: Statistic) -> Arrays:
    """Return an update whose every number is the statistic of the clients' numbers, for every row that anybody sent.

    Args:
        updates: Of one model and one phase.
        row_arrays: The arrays that go with "row_ids", where there are row ids.
        statistic: Sees zeros where a client did not send a row.
    """
    typical: Arrays = {}
    names = set(updates[0]) - {"row_ids"}
    if "row_ids" in updates[0]:
        row_ids = typical["row_ids"] = np.unique(np.concatenate([update["row_ids"] for update in updates]))
    for name in sorted(names):
        if "row_ids" in typical and name in row_arrays:
            stacked = np.zeros((len(updates), len(row_ids), *updates[0][name].shape[1:]), dtype=updates[0][name].dtype)
            for sent, update in zip(stacked, updates, strict=True):
                sent[np.searchsorted(row_ids, update["row_ids"])] = update[name]
            typical[name] = statistic(stacked)
        else:
            typical[name] = statistic(np.stack([update[name] for update in updates]))
    return typical


def _aggregate(statistic: Statistic, model: Model, state: Arrays, updates: Sequence[Arrays]) -> Arrays:
    row_arrays = (*model.at(state).noisy_form(1, 1.0).row_arrays, "counts")
    typical = typical_update(updates, row_arrays, statistic)
    return model.apply(state, model.fuse([typical], [float(len(updates))]))


def _train(task: Task, statistic: Statistic) -> Measured:
    model = task.model
    state = state_after(task.settings.rounds, model, task.clients, task.initial_rng(), robust(statistic))
    return measure(model, state, model.fold_in(state, task.split.train), task.split)
