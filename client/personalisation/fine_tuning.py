"""Local fine-tuning: everything that is shared, items and network, takes some steps on this client's users alone."""

import numpy as np

from client.personalisation.local_steps import at_rest, local_round
from common.data.user_items import UserItems
from common.models import Arrays, Model


def fine_tuned(model: Model, state: Arrays, train: UserItems, steps: int, rate: float) -> Arrays:
    """Return Theta_k: the state after some short steps from the global one.

        W <- W + rate (W' - W),   W' the model after a round of this client alone

    A row of an item that nobody here met stays: for want of interactions the local loss would let it vanish.

    Args:
        model: `model_of(settings).at(state)`.
        state: The global one.
        train: The client's own users.
        steps: How many.
        rate: In (0, 1]; at 1 the steps are a federation's.
    """
    met = np.bincount(train.items, minlength=train.item_count) > 0
    current = at_rest(state)
    for _ in range(steps):
        stepped = local_round(model, current, train)
        for name, array in stepped.items():
            if array.dtype != np.float32:
                continue  # a count of steps
            moved = current[name] + np.float32(rate) * (array - current[name])
            of_network = name.endswith("network")  # or Adam's means of its gradient
            stepped[name] = moved if of_network else _where_met(met, moved, current[name])
        current = stepped
    return current


def _where_met(met: np.ndarray, moved: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.where(met.reshape(-1, *[1] * (moved.ndim - 1)), moved, kept)
