"""What an iALS update must satisfy before anything is computed from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.errors import Rejected
from common.models.layout import check_layout, check_semidefinite, check_touched_rows, row_count
from common.models.model import Arrays

LARGEST_ERROR = 6.0
"""Bound on |1 - p.q| for one interaction: measured, not proved. Honest clients stay below 1.2 with the default
settings; the most that 24 settings reached was 4.0, with a fifth of alpha0 and half of the regularisation."""

SLACK = 1.01
"""Factor on every bound, for the float32 rounding of honest clients."""


@dataclass(frozen=True)
class UpdateRules:
    """The rules for one model and catalogue.

    The bounds hold for every exact solution of a user's problem. With n_u, n_i the counts, U users, I items and
    e_ui = 1 - p_u.q_i, the user's objective at its minimum is at most its value n_u at p = 0:
        sum_(i in S_u) e_ui^2 + a0 sum_i (p_u.q_i)^2 + lam (n_u + a0 I) |p_u|^2 <= n_u.

    Gram. The last term alone gives |p_u|^2 <= n_u / (lam (n_u + a0 I)) <= n_u / (lam a0 I), and summed over users
        trace(GP) = sum_u |p_u|^2 <= sum_i n_i / (lam a0 I).
    As GP is positive semidefinite, no entry is larger than its trace.

    Residual. R_i = sum_(u: i in S_u) e_ui p_u, so by Cauchy-Schwarz
        |R_i|^2 <= (sum_(u: i in S_u) e_ui^2) (sum_u |p_u|^2).
    Summed over items, with the first term of the objective, for the whole upload
        sum_i |R_i|^2 <= (sum_u n_u) trace(GP) = (sum_i n_i) trace(GP),
    which one user in the first round meets with equality, and for one row
        |R_i|^2 <= n_i max(e^2) trace(GP).
    """

    factors: int
    item_count: int
    alpha0: float
    regularisation: float

    def check(self, update: Arrays) -> None:
        """Raise `Rejected` with the first broken rule, layout first, then in the order of the methods below."""
        rows = row_count(update)
        layout = {
            "row_ids": ("<u4", (rows,)),
            "residual": ("<f4", (rows, self.factors)),
            "counts": ("<u4", (rows,)),
            "gram": ("<f8", (self.factors, self.factors)),
            "users": ("<u4", (1,)),
        }
        check_layout(update, layout)
        check_touched_rows(update, self.item_count)
        interactions = int(update["counts"].sum(dtype=np.int64))
        trace = self._check_gram(update["gram"], interactions)
        self._check_residual(update["residual"], update["counts"], interactions, trace)

    def _check_gram(self, gram: NDArray[np.float64], interactions: int) -> float:
        """Return trace(GP) after checking that GP is a sum of outer products of plausible vectors."""
        if not np.all(np.isfinite(gram)):
            raise Rejected("the gram matrix has an entry that is not finite")
        limit = SLACK * interactions / (self.regularisation * self.alpha0 * self.item_count)
        if np.any(np.abs(gram) > limit):
            raise Rejected("an entry of the gram matrix is larger than the counts allow")
        trace = float(np.trace(gram))
        if trace > limit:
            raise Rejected("the gram matrix is larger than the counts allow")
        check_semidefinite("the gram matrix", gram)
        return trace

    def _check_residual(
        self, residual: NDArray[np.float32], counts: NDArray[np.uint32], interactions: int, trace: float
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            squared_lengths = np.einsum("if,if->i", residual, residual)
        # NaN compares false and an overflow is infinite: neither passes a comparison written this way round
        if not np.all(squared_lengths <= SLACK * LARGEST_ERROR**2 * trace * counts.astype(np.float64)):
            raise Rejected("a residual row is not finite, or longer than its count and the gram matrix allow")
        if not squared_lengths.sum(dtype=np.float64) <= SLACK * trace * interactions:
            raise Rejected("the residual is longer than the counts and the gram matrix allow")
