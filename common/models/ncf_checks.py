"""What an NCF update must satisfy before anything is computed from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import Rejected
from common.models.layout import check_layout
from common.models.model import Arrays
from common.models.ncf_layout import gradient_layout

LARGEST_PULL = 20.0
"""Bound on |d s_ui / d (q_i, z_i)| = |(p_u, slope of the tower)|: measured, not proved. Clients of 1 to 671 users stay
below 3.0 with the default settings, and below 4.1 with three times the learning rates."""

LARGEST_NETWORK_GRADIENT = 20.0
"""Bound on the length of the network's mean gradient per interaction: measured, not proved. The same clients stay
below 0.4."""

SLACK = 1.01
"""Factor on every bound, for the float32 rounding of honest clients."""

SUM_TOLERANCE = 1e-3
"""Relative to the interactions: how far expected and counted interactions may differ in sum."""


@dataclass(frozen=True)
class GradientRules:
    """The rules for one model and catalogue.

    With e_i = n_i + a0 U the exposure of item i, N = sum_i n_i, and E_i = sum_u n_u softmax(s_u)_i, which the update
    tells through its bias gradient (E_i - n_i) / e_i:

    Biases. A softmax is positive and sums to 1, so 0 <= E_i <= N and sum_i E_i = N.

    Rows. The gradient of item i is sum_u (n_u softmax(s_u)_i - y_ui) f_ui / e_i, f being what `LARGEST_PULL` bounds, so
        |row_i| <= (E_i + n_i) max|f| / e_i.
    """

    item_count: int
    vector_length: int
    network_size: int
    display: float

    def check(self, update: Arrays) -> None:
        """Raise `Rejected` with the first broken rule, layout first, then in the order of the methods below."""
        gradients = gradient_layout(self.item_count, self.vector_length, self.network_size)
        check_layout(update, {**gradients, "exposure": ("<u4", (self.item_count,)), "users": ("<u4", (1,))})
        users = int(update["users"][0])
        counts = update["exposure"]
        if users < 1:
            raise Rejected("the update counts no users")
        if np.any(counts > users):
            raise Rejected("an item's exposure is greater than the number of users")
        exposure = counts + self.display * users
        expected = self._check_biases(update["item_bias"], counts, exposure)
        self._check_rows(update["item_factors"], (expected + counts) / exposure)
        with np.errstate(over="ignore", invalid="ignore"):
            length = float(np.sqrt(np.square(update["network"], dtype=np.float64).sum()))
        if not length <= LARGEST_NETWORK_GRADIENT:
            raise Rejected("the network's gradient is not finite, or too long")

    def _check_biases(
        self, bias: NDArray[np.float32], counts: NDArray[np.uint32], exposure: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the expected interactions E of each item."""
        if not np.all(np.isfinite(bias)):
            raise Rejected("an item's bias gradient is not finite")
        interactions = int(counts.sum(dtype=np.int64))
        expected = counts + bias * exposure
        # rounding of a gradient that is a sum over users of errors against counts
        rounding = (SLACK - 1) * (counts + 1e-3 * exposure)
        if np.any(expected < -rounding) or np.any(expected > SLACK * interactions + rounding):
            raise Rejected("an item's bias gradient is smaller or larger than the exposures allow")
        if not abs(float(expected.sum()) - interactions) <= SUM_TOLERANCE * interactions:
            raise Rejected("the bias gradients do not add up to the interactions")
        return np.maximum(expected, 0.0)

    def _check_rows(self, rows: NDArray[np.float32], pull: NDArray[np.float64]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            squared_lengths = np.einsum("if,if->i", rows, rows)
        # NaN compares false and an overflow is infinite: neither passes a comparison written this way round
        if not np.all(squared_lengths <= SLACK * (LARGEST_PULL * pull) ** 2 + 1e-12):
            raise Rejected("an item's gradient is not finite, or longer than the exposures allow")
