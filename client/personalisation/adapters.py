"""Item adapters: a private offset a_i on each item's global vector, for the items that the client's users met.

T-FedRS (3.4) has them "correct global item factors for local consumption" and leaves open how they are learnt. Here

    q_i + a_i <- q_i + n_i / (n_i + prior) (q_i' - q_i),   q_i' the item after a round of this client alone

so that an offset is the shorter, the less is known of its item here. Biases and network stay the global ones.
"""

import numpy as np

from client.personalisation.local_steps import at_rest, is_a, local_round, row_shares
from common.data.user_items import UserItems
from common.models import Arrays, Model


def adapted(model: Model, state: Arrays, train: UserItems, steps: int, prior: float) -> Arrays:
    """Return the state with the adapters added to its items' vectors.

    Args:
        model: `model_of(settings).at(state)`.
        state: The global one, or a fine-tuned one.
        train: The client's own users.
        steps: How often the offsets are fitted to the users' vectors, and these to them.
        prior: In interactions, above 0.
    """
    shares = row_shares(train, prior)[:, None]
    begun = at_rest(state)
    current = begun
    for _ in range(steps):
        moved = local_round(model, current, train)
        current = begun | {
            name: (array + shares * (moved[name] - array)).astype(np.float32)
            for name, array in begun.items()
            if is_a(name, "item_factors")
        }
    return current
