"""NCF under the softmax over the catalogue for a whole cohort at once. See `common.models.cohort`."""

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.model import Arrays
from common.models.ncf import Ncf
from common.models.ncf_users import groups, residuals


def ncf_cohort_step(
    model: Ncf, state: Arrays, train: UserItems, client_of: NDArray[np.int64], weights: NDArray[np.float64]
) -> Arrays:
    """Return rows averaged by weight times exposure, and the network's gradient by weight.

    A client sends its sums over e_ki, which are averaged with the shares w_k e_ki: the exposures cancel. It sends the
    network's gradient over its interactions n_k, so a user's part enters with w_k / n_k.

    Args:
        model: Whose step it is.
        state: The global model.
        train: All users.
        client_of: Each user's client. Shape (users,).
        weights: Of the clients. Shape (clients,).
    """
    catalogue = model.catalogue(state)
    vectors = model.fit(catalogue, train)
    user_weights = weights[client_of]
    interactions = np.bincount(client_of, train.counts, len(weights))
    # residuals below carry the weight already
    network_shares = (1 / np.maximum(interactions, 1.0))[client_of].astype(np.float32)
    gmf, d = catalogue.item_factors, model.gmf_length
    rows, biases = np.zeros(gmf.shape, dtype=np.float32), np.zeros(len(gmf), dtype=np.float32)
    for users, own in groups(train, catalogue.users_together):
        errors = residuals(catalogue.scores(vectors[users]), own)
        errors *= user_weights[users, None].astype(np.float32)
        rows += errors.T @ vectors[users, :d]
        biases += errors.sum(axis=0)
        if catalogue.tower is not None:
            catalogue.tower.add_gradient(errors, network_shares[users])
    network = np.zeros(0, dtype=np.float32)
    if catalogue.tower is not None:
        tower_rows, network = catalogue.tower.gradient()
        rows = np.concatenate((rows, tower_rows), axis=1)
    total = float(weights.sum())
    if total > 0:
        counts = np.bincount(train.items, np.repeat(user_weights, train.counts), train.item_count).astype(np.float64)
        exposure = counts + model.display * user_weights.sum()
        rows, biases, network = rows / exposure[:, None], biases / exposure, network / total
    return {
        "item_factors": rows.astype(np.float32),
        "item_bias": biases.astype(np.float32),
        "network": network.astype(np.float32),
        "weight": np.array([total]),
    }
