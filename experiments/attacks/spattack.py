"""Spattack-like: where few clients touch a row, a few attackers are its majority.

The rows that fewer than half of the colluders touch are turned against those who do touch them,

    lift_i = -c unit(mean of the colluders' honest lifts),   c = 99th percentile of the lengths of honest rows

and all colluders write into all of these. The rows that many touch stay honest.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_length, honest_sums, pushed, unit
from experiments.attacks.sums import update_of


class Spattack(Attack):
    """Spoil the thin rows."""

    name: ClassVar[str] = "spattack"
    knowledge: ClassVar[str] = "the colluders' data, and by these which rows are thin"
    budget: ClassVar[str] = "rows at the 99th percentile of honest rows, where fewer than half of the clients have any"
    source: ClassVar[str] = "Yan et al. (2024), Byzantine attacks to federated recommendation with sparse aggregation"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return the honest update with its thin rows replaced."""
        sums = honest_sums(view, view.account)
        thin, against = view.together("thin rows", lambda: _thin_rows(view))
        length = np.float32(honest_length(view, 99, *view.colluders))
        return update_of(view.model, pushed(view, sums, length * against, thin))


def _thin_rows(view: View) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the rows, ascending, and the directions against the colluders' own users of them."""
    every = [honest_sums(view, account) for account in sorted(view.colluders)]
    support = np.sum([sums.counts > 0 for sums in every], axis=0)
    thin = np.flatnonzero((support > 0) & (support < max(2, len(every) / 2)))
    mean: FloatArray = np.mean([sums.lift[thin] for sums in every], axis=0)
    return thin, -unit(mean)
