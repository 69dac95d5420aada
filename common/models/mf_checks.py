"""What an update of `mf` must satisfy before anything is computed from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import Rejected
from common.models.layout import check_layout, check_touched_rows, row_count
from common.models.model import Arrays, Layout

LARGEST_ERROR = 2.5
"""Bound on |e_ui| for one rating, in units of the rating range: measured, not proved."""

SLACK = 1.01
"""Factor on every bound, for the float32 rounding of honest clients."""

SUM_TOLERANCE = 1e-4
"""Relative to the sum of absolute values: how far the gradient of mu may be from the sum of the biases' gradients."""


def gradient_layout(rows: int, factors: int) -> Layout:
    """Return type and shape of the three gradients, for this many items."""
    return {
        "item_factors": ("<f4", (rows, factors)),
        "item_bias": ("<f4", (rows,)),
        "mean": ("<f4", (1,)),
    }


@dataclass(frozen=True)
class GradientRules:
    """The rules for one model and catalogue, in units of the rating range.

    mu + b_i lies in [0, 1] in every state and t_ui does too, so y_ui = t_ui - mu - b_i lies in [-1, 1]. Let N = sum_i
    n_i, let e_u = (e_ui) be a user's errors at its minimum, and lam and k as in `common.models.mf`.

    Users. At the minimum of a ridge regression, |e_u|^2 + penalty = y_u.e_u. Hence |e_u|^2 <= |y_u|^2 <= n_u, and the
        penalty y_u.e_u - |e_u|^2 is at most |y_u|^2 / 4 <= n_u / 4, as x (a - x) <= a^2 / 4. It contains
        lam (n_u + k) |p_u|^2, so |p_u|^2 <= n_u / (4 lam (n_u + k)) < 1 / (4 lam) = `longest_vector`^2.

    Biases. n_i g_i = -sum_u e_ui, so n_i g_i^2 <= sum_u e_ui^2 by Cauchy-Schwarz, and over the whole update
        sum_i n_i g_i^2 <= sum_u |e_u|^2 <= N;   for one row, |g_i| <= max|e|.

    Rows. n_i g_i = -sum_u e_ui p_u, so in the same way
        sum_i n_i |g_i|^2 <= N max|p|^2;   for one row, |g_i| <= max|e| max|p|.

    mu. Its gradient times U is the sum of all errors, sum_i n_i g_i with the biases' g_i.
    """

    factors: int
    item_count: int
    longest_vector: float

    def check(self, update: Arrays) -> None:
        """Raise `Rejected` with the first broken rule, layout first, then in the order of the methods below."""
        rows = row_count(update)
        whole_numbers: Layout = {"row_ids": ("<u4", (rows,)), "counts": ("<u4", (rows,)), "users": ("<u4", (1,))}
        check_layout(update, {**gradient_layout(rows, self.factors), **whole_numbers})
        users = check_touched_rows(update, self.item_count)
        counts = update["counts"].astype(np.float64)
        self._check_gradients("an item's bias gradient", np.abs(update["item_bias"]), counts, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.einsum("if,if->i", update["item_factors"], update["item_factors"]))
        self._check_gradients("an item's gradient", lengths, counts, self.longest_vector)
        errors = counts * update["item_bias"]
        # the last term is for sums so small that they are rounding themselves
        tolerance = SUM_TOLERANCE * np.abs(errors).sum() + 1e-6 * counts.sum()
        if not abs(users * float(update["mean"][0]) - errors.sum()) <= tolerance:
            raise Rejected("the gradient of the mean is not the sum of the items' bias gradients")

    @staticmethod
    def _check_gradients(
        label: str, lengths: NDArray[np.float32], counts: NDArray[np.float64], longest_vector: float
    ) -> None:
        # NaN compares false and an overflow is infinite: neither passes a comparison written this way round
        if not np.all(lengths <= SLACK * LARGEST_ERROR * longest_vector):
            raise Rejected(f"{label} is not finite, or longer than the rating range allows")
        together = float((counts * lengths.astype(np.float64) ** 2).sum())
        if not together <= SLACK * counts.sum() * longest_vector**2:
            raise Rejected(f"{label} is among gradients that are together longer than their counts allow")
