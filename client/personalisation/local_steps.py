"""A round of a federation of one: the model's own local step and server step, on one client's users."""

import numpy as np

from common.data.user_items import UserItems
from common.models import Arrays, FloatArray, Model


def local_round(model: Model, state: Arrays, train: UserItems) -> Arrays:
    """Return the next state, were this client the whole federation."""
    update, _ = model.local_step(state, train)
    return model.apply(state, model.fuse([update], [1.0]))


def at_rest(state: Arrays) -> Arrays:
    """Return the state without the server's momentum, which points to where all clients together go."""
    return state | {name: np.zeros_like(array) for name, array in state.items() if is_a(name, "momentum")}


def is_a(name: str, array: str) -> bool:
    """Say whether an array of a state has this name, in whichever branch of the model."""
    return name.rpartition("/")[2] == array


def row_shares(train: UserItems, prior: float) -> FloatArray:
    """Return n_i / (n_i + prior) for each item, n_i being its interactions here. Shape (items,).

    How far an item's row may leave the global one: items that nobody here met stay, and the others go the further, the
    more is known of them here. `prior` is in interactions, above 0.
    """
    counts = np.bincount(train.items, minlength=train.item_count)
    shares: FloatArray = (counts / (counts + prior)).astype(np.float32)
    return shares
