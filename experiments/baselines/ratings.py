"""What federated matrix factorization of ratings is compared with, as states of `Mf`: so one code predicts for all."""

import numpy as np

from common.data.user_items import UserItems
from common.models import Arrays, FloatArray
from common.models.mf import Mf


def global_mean(model: Mf, train: UserItems) -> Arrays:
    """Return the state that predicts the mean rating for everybody, given user vectors of zeros."""
    state = _without_factors(model, train)
    state["mean"] = np.array([_targets(model, train).mean()], dtype=np.float32)
    return state


def item_means(model: Mf, train: UserItems) -> Arrays:
    """Return the state that predicts each item's mean rating, shrunk towards the mean of all, given zeros."""
    state = global_mean(model, train)
    above = np.bincount(train.items, _targets(model, train) - state["mean"], train.item_count)
    counts = np.bincount(train.items, minlength=train.item_count)
    state["item_bias"] = (above / (counts + model.bias_regularisation)).astype(np.float32)
    return state


def biases(model: Mf, train: UserItems, sweeps: int) -> Arrays:
    """Minimise L with all vectors zero: what users and items are worth on average, by ridge regression."""
    return _alternate(model, train, global_mean(model, train), sweeps)


def exact(model: Mf, train: UserItems, sweeps: int, rng: np.random.Generator) -> Arrays:
    """Minimise L by alternating least squares, users and items solved exactly in turn, all data in one place."""
    started = model.initial_state(train.item_count, rng)
    return _alternate(model, train, global_mean(model, train) | {"item_factors": started["item_factors"]}, sweeps)


def nobodys_vectors(state: Arrays, train: UserItems) -> FloatArray:
    """Return user vectors of zeros."""
    return np.zeros((train.user_count, state["item_factors"].shape[1] + 1), dtype=np.float32)


def _alternate(model: Mf, train: UserItems, state: Arrays, sweeps: int) -> Arrays:
    """L is the same with users and items exchanged, so `fold_in` on the transposed ratings solves the items."""
    raters = UserItems.from_pairs(
        train.items,
        train.users,
        train.ratings,
        train.timestamps,
        user_count=train.item_count,
        item_count=train.user_count,
    )
    for _ in range(sweeps):
        users = model.fold_in(state, train)
        exchanged = {"item_factors": users[:, :-1], "item_bias": users[:, -1], "mean": state["mean"]}
        items = model.fold_in(exchanged, raters)
        state = state | {"item_factors": items[:, :-1].copy(), "item_bias": items[:, -1].copy()}
    return state


def _without_factors(model: Mf, train: UserItems) -> Arrays:
    state = model.initial_state(train.item_count, np.random.default_rng(0))
    return state | {"item_factors": np.zeros_like(state["item_factors"])}


def _targets(model: Mf, train: UserItems) -> FloatArray:
    least, greatest = model.rating_range
    return ((train.ratings - least) / (greatest - least)).astype(np.float32)
