"""Which items are pushed, and which clients push them."""

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.metrics import IntArray
from common.seeding import generator

COLD_COUNTS = (5, 30)
"""Training interactions of a cold item, least and most, where there are such items."""
MID_POPULAR = (0.6, 0.8)
"""The shares of the items, in the order of their popularity, between which a mid-popular item lies."""


def draw_targets(train: UserItems, each: int, seed: int) -> IntArray:
    """Draw so many cold and as many mid-popular items. Ascending, shape (2 * each,) or less where there are few items.

    Args:
        train: What all clients train on.
        each: How many of either kind, at least 1.
        seed: Of the run.
    """
    counts = np.bincount(train.items, minlength=train.item_count)
    rng = generator(seed, "targets")
    known = np.flatnonzero(counts)
    ordered = known[np.argsort(counts[known], kind="stable")]
    cold = np.flatnonzero((counts >= COLD_COUNTS[0]) & (counts <= COLD_COUNTS[1]))
    if len(cold) < each:
        cold = ordered[: len(ordered) // 3]
    low, high = (round(share * len(ordered)) for share in MID_POPULAR)
    mid = np.setdiff1d(ordered[low:high], cold)
    drawn = [rng.choice(items, min(each, len(items)), replace=False) for items in (cold, mid)]
    return np.sort(np.concatenate(drawn))


def draw_malicious(clients: int, share: float, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the malicious clients, ascending: those of a smaller share are among those of a larger."""
    return np.sort(generator(seed, "malicious-clients").permutation(clients)[: round(share * clients)])
