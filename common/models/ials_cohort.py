"""iALS for a whole cohort at once. See `common.models.cohort`."""

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.ials import Ials, residual_sums
from common.models.model import Arrays


def ials_cohort_step(model: Ials, state: Arrays, train: UserItems, user_weights: NDArray[np.float64]) -> Arrays:
    """Return sum_k rho_k (R, GP, n, U)_k.

    Args:
        model: Whose step it is.
        state: The global model.
        train: All users.
        user_weights: rho of each user's client. Shape (users,).
    """
    vectors = model.fold_in(state, train)
    wide = vectors.astype(np.float64)
    row_ids = np.unique(train.items)
    weighted = vectors * user_weights.astype(np.float32)[:, None]
    counts = np.bincount(train.items, np.repeat(user_weights, train.counts), train.item_count).astype(np.float64)
    return {
        "row_ids": row_ids.astype(np.uint32),
        "residual": residual_sums(state["item_factors"], vectors, train, row_ids.astype(np.intp), weighted),
        "counts": counts[row_ids],
        "gram": (wide * user_weights[:, None]).T @ wide,
        "users": np.array([user_weights.sum()]),
    }
