"""Items to rank a positive against, and items to train against. The two may know different things.

Candidates for evaluation avoid everything a user ever interacted with. Training negatives must not: whoever
leaves the validation and test items out of them tells the model which items those are, and a predictor that
learns nothing but counts its own negatives then reaches HR@10 1.0.
"""

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import NO_ITEM, UserItems
from common.errors import WrongUse

CANDIDATE_COUNT = 99


def draw_candidates(
    interactions: UserItems, evaluated: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int32]:
    """Draw the fixed 99 candidates of every evaluated user, without repeats.

    Args:
        interactions: All of them: training, validation and test.
        evaluated: Shape (users,).
        rng: Advanced once for each evaluated user, in order.

    Returns:
        Shape (users, 99), a row ascending; rows of `NO_ITEM` for users who are not evaluated.

    Raises:
        WrongUse: an evaluated user has fewer than 99 items left.
    """
    candidates = np.full((interactions.user_count, CANDIDATE_COUNT), NO_ITEM, dtype=np.int32)
    never = np.ones(interactions.item_count, dtype=np.bool_)
    for user in np.flatnonzero(evaluated):
        items = interactions.items_of(int(user))
        never[items] = False
        pool = np.flatnonzero(never)
        never[items] = True
        if pool.size < CANDIDATE_COUNT:
            raise WrongUse(
                f"a user has interacted with all but {pool.size} of the {interactions.item_count} items, and "
                f"evaluation ranks against {CANDIDATE_COUNT} others: use a data set with more items."
            )
        candidates[user] = np.sort(rng.choice(pool, CANDIDATE_COUNT, replace=False))
    return candidates


def sample_training_negatives(train: UserItems, per_positive: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw items outside each user's training items, uniformly and with repeats.

    Only training knowledge enters: validation and test items are drawn like any other.

    Returns:
        Shape (interactions, per_positive); row j goes with interaction j of `train`.

    Raises:
        WrongUse: a user trains on every item, so that there is nothing to draw.
    """
    if np.any(train.counts == train.item_count):
        raise WrongUse("a user trains on every item, which leaves no negatives: use a data set with more items.")
    users = np.repeat(train.users, per_positive)
    negatives = rng.integers(train.item_count, size=users.size, dtype=np.int32)
    pending = np.flatnonzero(train.contains(users, negatives))
    while pending.size:
        negatives[pending] = rng.integers(train.item_count, size=pending.size, dtype=np.int32)
        pending = pending[train.contains(users[pending], negatives[pending])]
    return negatives.reshape(train.items.size, per_positive)
