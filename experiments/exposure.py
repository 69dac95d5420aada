"""How often an item is in the lists that users would be shown: ER@K, by which a targeted push is measured."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.evaluation import USERS_SCORED_TOGETHER, Scorer
from common.metrics import CUTOFFS, IntArray
from common.models.model import Arrays, FloatArray


def exposure_ratios(
    model: Scorer,
    state: Arrays,
    user_vectors: FloatArray,
    known: UserItems,
    met: UserItems,
    targets: IntArray,
    cutoffs: Sequence[int] = CUTOFFS,
) -> NDArray[np.float64]:
    """Return ER@K of each target: the share of the users who have not met it whose first K items have it among them.

    A list is what a recommender shows: the whole catalogue without what it knows the user to have, highest score
    first, equal scores by item number, and a NaN below all. (`common.metrics` lets ties lose; here that would hide
    targets that were all pushed to one score.) Several targets share the K places, so that the mean over more than K
    of them cannot reach 1.

    Args:
        model: Scores the catalogue.
        state: The model's state.
        user_vectors: Shape (users, factors), from `fold_in` on `known`.
        known: What the lists leave out: the users' training items.
        met: All that each user has, held-out items included: who has met a target is not counted for it.
        targets: Item numbers.
        cutoffs: The K.

    Returns:
        In [0, 1], NaN for a target that everybody has met. Shape (targets, cutoffs).
    """
    shown = np.zeros((len(targets), len(cutoffs)), dtype=np.int64)
    counted = np.zeros(len(targets), dtype=np.int64)
    for start in range(0, len(user_vectors), USERS_SCORED_TOGETHER):
        users = np.arange(start, min(start + USERS_SCORED_TOGETHER, len(user_vectors)))
        scores = np.array(model.scores(state, user_vectors[users]))
        scores[np.isnan(scores)] = -np.inf
        rival = ~_has(known.take(users), scores.shape)
        stranger = ~_has(met.take(users), scores.shape)
        for row, target in enumerate(targets.tolist()):
            own = scores[:, target, None]
            before = np.count_nonzero((scores > own) & rival, axis=1)
            before += np.count_nonzero((scores[:, :target] == own) & rival[:, :target], axis=1)
            ranks = 1 + before[stranger[:, target]]
            counted[row] += len(ranks)
            shown[row] += [np.count_nonzero(ranks <= k) for k in cutoffs]
    ratios = np.full(shown.shape, np.nan)
    open_to = counted > 0
    ratios[open_to] = shown[open_to] / counted[open_to, None]
    return ratios


def _has(histories: UserItems, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return who has what. Shape (users, items)."""
    has = np.zeros(shape, dtype=np.bool_)
    has[histories.users, histories.items] = True
    return has
