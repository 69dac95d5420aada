"""Gaussian: noise of honest length in place of what was learnt."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_sums
from experiments.attacks.sums import Sums, update_of


class Gaussian(Attack):
    """Send N(0, 1) on the client's rows, as long as the median of the colluders' honest updates."""

    name: ClassVar[str] = "gaussian"
    knowledge: ClassVar[str] = "the colluders' data, for the length of honest updates"
    budget: ClassVar[str] = "the median length of honest updates"
    source: ClassVar[str] = "Blanchard et al. (2017), Machine learning with adversaries, at honest length"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return the honest counts with noise."""
        return update_of(view.model, noise(view, honest_sums(view, view.account)))


def noise(view: View, sums: Sums) -> Sums:
    """Return noise on the rows that the sums touch, and, of GMF, the expected interactions of items exchanged."""
    rng = view.rng()
    drawn: FloatArray = rng.normal(size=sums.lift.shape).astype(np.float32) * (sums.lengths > 0)[:, None]
    length = median_length(view) / max(float(np.linalg.norm(drawn)), 1e-30)
    expected = None if sums.expected is None else rng.permutation(sums.expected)
    return replace(sums, lift=np.float32(length) * drawn, expected=expected)


def median_length(view: View) -> float:
    """Return the median length of the colluders' honest updates."""

    def median() -> float:
        return float(np.median([np.linalg.norm(honest_sums(view, account).lift) for account in view.colluders]))

    return view.together("median length", median)
