"""What an NCF update under a sampled loss must satisfy before anything is computed from it."""

from dataclasses import dataclass

import numpy as np

from common.errors import Rejected
from common.models.layout import check_layout, row_count
from common.models.model import Arrays
from common.models.ncf_layout import gradient_layout
from common.models.ncf_slots import SampledLoss

LARGEST_PULL = 20.0
"""Bound on |d s_ui / d (q_i, z_i)| = |(p_u, slope of the tower)|: measured, not proved. Rows of clients of one user and
of hundreds stay below 3.1 in eight rounds on the bundled data, with the default learning rates and with three times
them."""

LARGEST_NETWORK_GRADIENT = 20.0
"""Bound on the length of the network's mean gradient per interaction: measured, not proved. The same clients stay below
3.1 for bce and below 0.3 for bpr."""

SLACK = 1.01
"""Factor on every bound, for the float32 rounding of honest clients."""

SUM_TOLERANCE = 1e-3
"""Relative to the slots: how far the biases' gradients of bpr may be from adding up to zero."""


def slots_of_interaction(loss: SampledLoss, negatives: int) -> int:
    """Return by how much one interaction raises the sum of the counts: itself and those drawn, or both sides of each
    comparison."""
    return 1 + negatives if loss == "bce" else 2 * negatives


@dataclass(frozen=True)
class SampledRules:
    """The rules for one model and catalogue.

    Counts. Every interaction adds the same number to their sum, see `slots_of_interaction`. A row is there because
        something touched it, so no count is zero. Whose item was positive and whose was drawn, they do not tell.

    Biases. A gradient is the mean over a row's slots of sigmoid(s) - y for bce, of +-sigmoid for bpr: both lie in
        [-1, 1]. A comparison of bpr pushes one item as far up as the other down, so sum_i e_i b_i = 0.

    Rows. The gradient is the mean over the slots of such an error times f_ui, f being what `LARGEST_PULL` bounds, so
        |row_i| <= max|f|.
    """

    item_count: int
    vector_length: int
    network_size: int
    loss: SampledLoss
    negatives: int

    def check(self, update: Arrays) -> None:
        """Raise `Rejected` with the first broken rule, layout first, then rows and counts, then gradients."""
        rows = row_count(update)
        gradients = dict(gradient_layout(rows, self.vector_length, self.network_size))
        check_layout(update, {**gradients, "row_ids": ("<u4", (rows,)), "counts": ("<u4", (rows,))})
        row_ids, counts, bias = update["row_ids"], update["counts"], update["item_bias"]
        if np.any(row_ids[1:] <= row_ids[:-1]):
            raise Rejected("the row ids are not strictly ascending")
        if rows and int(row_ids[-1]) >= self.item_count:
            raise Rejected("a row id lies outside the catalogue")
        if np.any(counts == 0):
            raise Rejected("a row's count is zero")
        slots = int(counts.sum(dtype=np.int64))
        if slots % slots_of_interaction(self.loss, self.negatives):
            raise Rejected("the counts are not those of whole interactions and what is drawn against them")
        # NaN compares false and an overflow is infinite: neither passes a comparison written this way round
        if not np.all(np.abs(bias) <= SLACK):
            raise Rejected("an item's bias gradient is not finite, or larger than an error can be")
        if self.loss == "bpr" and not abs(float(counts @ bias.astype(np.float64))) <= SUM_TOLERANCE * slots:
            raise Rejected("the bias gradients of comparisons do not add up to zero")
        with np.errstate(over="ignore", invalid="ignore"):
            squared_lengths = np.einsum("if,if->i", update["item_factors"], update["item_factors"])
            network = float(np.sqrt(np.square(update["network"], dtype=np.float64).sum()))
        if not np.all(squared_lengths <= SLACK * LARGEST_PULL**2):
            raise Rejected("an item's gradient is not finite, or longer than an error allows")
        if not network <= LARGEST_NETWORK_GRADIENT:
            raise Rejected("the network's gradient is not finite, or too long")
