"""Push-boost: each malicious client writes into the targets' rows what lifts them for its users.

    lift_t = gamma c m / |m|,   c = 99th percentile of the lengths of the colluders' honest rows,
                                m = mean vector of the colluders' users

The rest of the update is honest.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray, Ials
from experiments.attacks.attack import Attack, View
from experiments.attacks.sums import Sums, least_counts, sums_of, update_of


@dataclass(frozen=True)
class PushBoost(Attack):
    """Lift the targets' rows, `gamma` times as long as the longest honest rows are."""

    name: ClassVar[str] = "push-boost"
    knowledge: ClassVar[str] = "the colluders' data"
    budget: ClassVar[str] = "gamma times the 99th percentile of honest rows, in the targets' rows alone"
    source: ClassVar[str] = "explicit boosting [Zhang et al. (2022), PipAttack, 4.2], without its disguise"
    targeted: ClassVar[bool] = True

    gamma: float = 1.0

    def update(self, view: View) -> Arrays:
        """Return the honest update with the targets' rows replaced."""
        sums = sums_of(view.model, view.honest, view.train.item_count)
        length = self.gamma * view.together("99th percentile", lambda: honest_length(view, 99))
        return update_of(view.model, pushed(view, sums, length * mean_direction(view), length))


def pushed(view: View, sums: Sums, row: FloatArray, length: float) -> Sums:
    """Return the sums with the targets' rows replaced.

    An iALS row goes the further, the fewer users are said to have the item: the fewest are claimed that allow the
    length. Of GMF the server's optimiser forgets a gradient's length and the bias counts users: as many are claimed as
    would lift the row so far.

    Args:
        view: The attacker's.
        sums: Of the honest update.
        row: What the rows become.
        length: Of `row`.
    """
    lift, counts, targets = sums.lift.copy(), sums.counts.copy(), view.targets
    lift[targets] = row
    if isinstance(view.model, Ials):
        counts[targets] = least_counts(view.model, sums, np.full(len(targets), length))
    else:
        counts[targets] = np.maximum(counts[targets], np.ceil(length / max(mean_length(view), 1e-6)))
    return replace(sums, lift=lift, counts=counts)


def mean_vector(view: View) -> FloatArray:
    """Return the mean vector of the colluders' users. Shape (factors,)."""

    def mean() -> FloatArray:
        vectors = np.concatenate([view.vectors_of(account) for account in sorted(view.colluders)])
        centre: FloatArray = vectors.mean(axis=0)
        return centre

    return view.together("mean vector", mean)


def mean_length(view: View) -> float:
    """Return the length of the colluders' mean user vector."""
    return float(np.linalg.norm(mean_vector(view)))


def mean_direction(view: View) -> FloatArray:
    """Return the colluders' mean user vector at length 1; zeros where it is zero. Shape (factors,)."""
    direction: FloatArray = mean_vector(view) / np.float32(max(mean_length(view), 1e-30))
    return direction


def honest_length(view: View, percentile: float) -> float:
    """Return a percentile of the lengths of the rows that the colluders' honest updates touch."""
    lengths = []
    for account in sorted(view.colluders):
        sums = sums_of(view.model, view.honest_of(account), view.train.item_count)
        lengths.append(sums.lengths[sums.counts > 0])
    return float(np.percentile(np.concatenate(lengths), percentile))
