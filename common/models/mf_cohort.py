"""Matrix factorization of ratings for a whole cohort at once. See `common.models.cohort`."""

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.mf import Mf, error_sums
from common.models.model import Arrays


def mf_cohort_step(
    model: Mf, state: Arrays, train: UserItems, client_of: NDArray[np.int64], weights: NDArray[np.float64]
) -> Arrays:
    """Return rows averaged by weight times count, and mu's gradient by weight.

    A client sends -sum_u e_ui (p_u, 1) / n_ki, which is averaged with the shares w_k n_ki: the counts cancel. Its mean
    gradient of mu is -sum_ui e_ui / U_k, so a user's errors enter with w_k / U_k.

    Args:
        model: Whose step it is.
        state: The global model.
        train: All users.
        client_of: Each user's client. Shape (users,).
        weights: Of the clients. Shape (clients,).
    """
    vectors = model.fold_in(state, train)
    user_weights = weights[client_of]
    row_ids = np.unique(train.items)
    sums, user_sums = error_sums(
        state["item_factors"],
        model.targets(state, train),
        vectors,
        train,
        row_ids.astype(np.intp),
        user_weights.astype(np.float32),
    )
    exposure = np.bincount(train.items, np.repeat(user_weights, train.counts), train.item_count)[row_ids].astype(float)
    means = -sums / np.where(exposure > 0, exposure, 1.0)[:, None]
    users_with = np.bincount(client_of, minlength=len(weights))[client_of]
    mean = -float(np.sum(user_weights / users_with * user_sums))
    return {
        "row_ids": row_ids.astype(np.uint32),
        "item_factors": means[:, :-1].astype(np.float32),
        "item_bias": means[:, -1].astype(np.float32),
        "counts": exposure,
        "mean": np.array([mean / (weights.sum() or 1.0)], dtype=np.float32),
        "users": np.array([user_weights.sum()]),
    }
