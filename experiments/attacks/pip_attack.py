"""PipAttack-like: push the targets towards users and towards the popular items, and look honest.

    lift_t = h_t + s d_t,   d_t = unit(m) + unit(c - q_t)

with h the honest update, m the mean vector of the colluders' users, c the centroid of the items that they have most.
s is as large as two limits allow, where the paper has penalties in its loss: no row becomes longer than the 99th
percentile of honest rows, and the update's cosine to the honest one stays above the 5th percentile of the cosines
between honest updates. The centroid stands for the popularity classifier that the paper trains.
"""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_length, honest_sums, mean_vector, pushed, unit
from experiments.attacks.sums import update_of

POPULAR = 20
"""Items in the centroid."""


class PipAttack(Attack):
    """Explicit promotion and popularity alignment, as strong as honest norms and cosines allow."""

    name: ClassVar[str] = "pip-attack"
    knowledge: ClassVar[str] = "the colluders' data, and by these the popular items and how honest updates differ"
    budget: ClassVar[str] = "the 99th percentile of honest rows and the 5th of cosines between honest updates"
    source: ClassVar[str] = "Zhang et al. (2022), PipAttack; limits in place of penalties, a centroid of a classifier"
    targeted: ClassVar[bool] = True

    def update(self, view: View) -> Arrays:
        """Return the honest update with the targets' rows moved."""
        sums = honest_sums(view, view.account)
        popular = np.argsort(-view.counts(), kind="stable")[:POPULAR]
        factors = view.state["item_factors"]
        direction = unit(mean_vector(view, *view.colluders)) + unit(
            factors[popular].mean(axis=0) - factors[view.targets]
        )
        honest = sums.lift[view.targets]
        longest = honest_length(view, 99, *view.colluders)
        rows = honest + _strength(honest, direction, longest)[:, None] * direction
        moved = pushed(view, sums, rows)
        while cosine(moved.lift, sums.lift) < least_cosine(view):
            rows = np.float32(0.5) * (rows + honest)
            if np.allclose(rows, honest):
                return view.honest
            moved = pushed(view, sums, rows)
        return update_of(view.model, moved)


def least_cosine(view: View) -> float:
    """Return the 5th percentile of the cosines between neighbours among the colluders' honest updates."""

    def percentile() -> float:
        updates = [honest_sums(view, account).lift for account in sorted(view.colluders)]
        return float(np.percentile([cosine(one, other) for one, other in pairwise(updates)] or [0.0], 5))

    return view.together("least cosine", percentile)


def cosine(one: FloatArray, other: FloatArray) -> float:
    """Return the cosine between two updates, taken as vectors; 0 where one of them is zero."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.vdot(one, other)) / lengths if lengths > 0 else 0.0


def _strength(honest: FloatArray, direction: FloatArray, longest: float) -> FloatArray:
    """Return the largest s >= 0 for which |h + s d| is at most `longest`, row by row; 0 where h is longer already."""
    squared = np.maximum(np.einsum("tf,tf->t", direction, direction), 1e-30)
    half = np.einsum("tf,tf->t", honest, direction) / squared
    rest = (longest**2 - np.einsum("tf,tf->t", honest, honest)) / squared
    strength: FloatArray = np.where(rest > 0, np.sqrt(np.maximum(half**2 + rest, 0)) - half, 0).astype(np.float32)
    return strength
