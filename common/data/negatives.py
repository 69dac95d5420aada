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


def sample_training_negatives(train: UserItems, per_positive: int, key: int) -> NDArray[np.int32]:
    """Draw items outside each user's training items, uniformly and with repeats.

    Only training knowledge enters: validation and test items are drawn like any other. What is drawn for a user follows
    from the key and the user's own items: the same wherever and with whom the user is trained, so that neither clients
    and one place together, nor two runs, differ in it; and nobody who knows only the key can repeat it, and tell from
    the rows of an update which of them are positives.

    Args:
        train: The users.
        per_positive: How many for each interaction.
        key: In 0 .. 2^64 - 1; another one gives other items.

    Returns:
        Shape (interactions, per_positive); row j goes with interaction j of `train`.

    Raises:
        WrongUse: a user trains on every item, so that there is nothing to draw.
    """
    if np.any(train.counts == train.item_count):
        raise WrongUse("a user trains on every item, which leaves no negatives: use a data set with more items.")
    users = np.repeat(train.users, per_positive)
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_mixed(train.items.astype(np.uint64) + np.uint64(key)))))
    own = _mixed(sums[train.indptr[1:]] - sums[train.indptr[:-1]])
    streams = _mixed(own[users] + (np.arange(users.size) - per_positive * train.indptr[users]).astype(np.uint64))
    negatives = np.empty(users.size, dtype=np.int32)
    pending, attempt = np.arange(users.size), 0
    while pending.size:
        high = _mixed(streams[pending] + np.uint64(attempt)) >> np.uint64(32)
        negatives[pending] = (high * np.uint64(train.item_count)) >> np.uint64(32)  # [0, 2^32) scaled to the items
        pending, attempt = pending[train.contains(users[pending], negatives[pending])], attempt + 1
    return negatives.reshape(train.items.size, per_positive)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a number that looks random for each, modulo 2^64: SplitMix64 [Steele, Lea and Flood (2014), Figure 15]."""
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return result
