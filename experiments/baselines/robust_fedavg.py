"""Robust-FedAvg: each number of the update is the median, or the trimmed mean, of what the clients sent.

The T-FedRS paper names its Robust-FedAvg after a work on blockchains and homomorphic encryption and gives no rule;
these two are the usual ones, and those of a run with `--aggregation median` or `trimmed-mean`. What they cost is said
in `server/robust_fusion.py`.
"""

from collections.abc import Sequence
from functools import partial

from common.models import Arrays, Model
from experiments.baselines.array_rounds import Aggregate, Measured, measure, state_after
from experiments.baselines.task import Task
from server.aggregation import next_state
from server.reputation import WAD


def robust(aggregation: str) -> Aggregate:
    """Return the server that aggregates as a run with this `--aggregation` does, by the same code, all gates open."""
    return partial(_aggregate, aggregation)


def median_fedavg(task: Task) -> Measured:
    """Train the federation's own model with the coordinate median."""
    return _train(task, "median")


def trimmed_fedavg(task: Task) -> Measured:
    """Train the federation's own model with the trimmed mean."""
    return _train(task, "trimmed-mean")


def _aggregate(aggregation: str, model: Model, state: Arrays, updates: Sequence[Arrays]) -> Arrays:
    numbered = {f"{number:08d}": update for number, update in enumerate(updates)}
    return next_state(model, state, numbered, dict.fromkeys(numbered, WAD), aggregation)


def _train(task: Task, aggregation: str) -> Measured:
    model = task.model
    state = state_after(task.settings.rounds, model, task.clients, task.initial_rng(), robust(aggregation))
    return measure(model, state, model.fold_in(state, task.split.train), task.split)
