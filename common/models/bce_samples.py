"""What gradients under binary cross-entropy are taken of, and what they consist of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.models.model import FloatArray


class Samples(NamedTuple):
    """Pairs with their labels, as many of each array.

    Fields:
        users: int64, ascending: rows of the users' vectors.
        items: int64: rows of the items' vectors. A pair may be there several times.
        labels: float32, 1 or 0.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    labels: FloatArray


class BceGradient(NamedTuple):
    """Gradients, float32.

    Fields:
        users: Of the users' vectors, without any share. Shape (users, vector length).
        item_factors, item_bias: Sums times the users' item shares. Shapes (items, vector length) and (items,).
        network: Sum times the users' network shares. Shape (network size,).
    """

    users: FloatArray
    item_factors: FloatArray
    item_bias: FloatArray
    network: FloatArray


def touched_rows(samples: Samples) -> tuple[NDArray[np.int64], Samples]:
    """Return the items that samples touch, ascending, and the samples with items as positions among these."""
    rows, positions = np.unique(samples.items, return_inverse=True)
    return rows, samples._replace(items=positions)
