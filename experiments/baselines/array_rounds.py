"""Federated rounds by arrays alone: no messages, signatures, reputation or ledger."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from common.data.splits import Split
from common.data.user_items import UserItems
from common.evaluation import Evaluation, Scorer, evaluate
from common.models import Arrays, FloatArray, Model
from common.rating_metrics import rating_errors


@dataclass(frozen=True)
class Measured:
    """One trained model, or several that share out the users, on both held-out items.

    Fields:
        setting: What was chosen on validation items, in words; empty where there was nothing to choose.
    """

    validation: Evaluation
    test: Evaluation
    setting: str = ""


Aggregate = Callable[[Model, Arrays, Sequence[Arrays]], Arrays]
"""A server: from the model, its state and the clients' updates, always in the same order, to the next state."""


def unweighted(model: Model, state: Arrays, updates: Sequence[Arrays]) -> Arrays:
    """Give every client weight 1."""
    return model.apply(state, model.fuse(updates, [1.0] * len(updates)))


def states_of(
    model: Model, clients: Sequence[UserItems], rng: np.random.Generator, aggregate: Aggregate = unweighted
) -> Iterator[Arrays]:
    """Yield W_0, W_1, ... without end: every client takes part in every round."""
    state = model.initial_state(clients[0].item_count, rng)
    while True:
        yield state
        state = aggregate(model, state, [model.local_step(state, train)[0] for train in clients])


def state_after(
    rounds: int,
    model: Model,
    clients: Sequence[UserItems],
    rng: np.random.Generator,
    aggregate: Aggregate = unweighted,
) -> Arrays:
    """Return W_rounds."""
    return next(islice(states_of(model, clients, rng, aggregate), rounds, None))


def measure(
    scorer: Scorer, state: Arrays, user_vectors: FloatArray, split: Split, users: NDArray[np.int32] | None = None
) -> Measured:
    """Evaluate on validation and test; selecting on validation knows nothing of the test items.

    Where the scorer predicts ratings, "mse" and "mae" are among the metrics (`common.rating_metrics`).

    Args:
        scorer: Scores the catalogue.
        state: Of the scorer.
        user_vectors: One row for each of `users`, in this order.
        split: Of all users.
        users: Whom to evaluate; everybody where it is None.
    """
    everybody = np.arange(split.train.user_count, dtype=np.int32)
    chosen = everybody if users is None else users
    train, candidates = split.train.take(chosen), split.candidates[chosen]
    validation, test = split.validation[chosen], split.test[chosen]
    validation_ratings, test_ratings = split.validation_ratings[chosen], split.test_ratings[chosen]
    on_validation = evaluate(scorer, state, user_vectors, train, validation, candidates)
    on_test = evaluate(scorer, state, user_vectors, train, test, candidates, also_known=validation)
    return Measured(
        _with_errors(on_validation, rating_errors(scorer, state, user_vectors, validation, validation_ratings)),
        _with_errors(on_test, rating_errors(scorer, state, user_vectors, test, test_ratings)),
    )


def _with_errors(evaluation: Evaluation, errors: dict[str, float]) -> Evaluation:
    return replace(evaluation, metrics=evaluation.metrics | errors)
