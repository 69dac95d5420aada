"""FedNCF: neural collaborative filtering from scratch, with federated averaging [Perifanis and Efraimidis (2022)].

The clients, their local training and the server's step are those of our NCF. What is left out is what the comparison is
about: no warm start, no peers, no reputation. A client weighs what it says it trained on [McMahan et al. (2017)].
"""

from collections.abc import Sequence

from common.models import Arrays, Model
from common.models.ncf import Ncf
from experiments.baselines.array_rounds import Measured, measure, state_after
from experiments.baselines.task import Task
from server.aggregation import next_state
from server.reputation import WAD, normalise


def fedavg(model: Model, state: Arrays, updates: Sequence[Arrays]) -> Arrays:
    """Aggregate as a run with `--aggregation fedavg` does, by the same code."""
    counts = [model.example_count(update) for update in updates]
    accounts = [f"{number:08d}" for number in range(len(updates))]
    weights = normalise({account: count * WAD for account, count in zip(accounts, counts, strict=True)})
    return next_state(model, state, dict(zip(accounts, updates, strict=True)), weights, "fedavg")


def fedncf_model(task: Task) -> Ncf:
    """Return the model that FedNCF trains."""
    return Ncf(variant="neumf", factors=task.settings.factors)


def fedncf(task: Task) -> Measured:
    """Train NeuMF for as many rounds as the federation has."""
    model = fedncf_model(task)
    state = state_after(task.settings.rounds, model, task.clients, task.initial_rng(), fedavg)
    return measure(model, state, model.fold_in(state, task.split.train), task.split)
