"""ALIE, "a little is enough": as far from the mean as honest clients may be, all in the same direction.

    lift = mean - z std,   coordinate by coordinate over the colluders' honest updates

With n clients of which m are malicious, s = floor(n / 2) + 1 - m honest ones are needed for a majority, and z is the
largest at which so many lie further out: Phi(z) = (n - m - s) / (n - m) [Baruch et al. (2019), Algorithm 3].
"""

from dataclasses import replace
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_sums
from experiments.attacks.sums import Sums, update_of

JITTER = 1e-3
"""Deviation of a colluder from the others, in deviations of the honest: the same bytes twice are noticed."""
LEAST_Z = 0.3
"""Where the majority is so far away that the formula asks for less."""


class Alie(Attack):
    """Hide in the honest spread."""

    name: ClassVar[str] = "alie"
    knowledge: ClassVar[str] = "the colluders' data, and how many clients there are"
    budget: ClassVar[str] = "z standard deviations of honest coordinates"
    source: ClassVar[str] = "Baruch et al. (2019), A little is enough"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return the colluders' mean less z deviations, each colluder a trifle beside it."""
        mean, deviation = view.together("mean and deviation", lambda: _spread(view))
        noise: FloatArray = np.float32(JITTER) * deviation * view.rng().normal(size=deviation.shape).astype(np.float32)
        z = np.float32(largest_z(view.settings.clients, len(view.colluders)))
        return update_of(view.model, replace(mean, lift=mean.lift - z * deviation + noise))


def largest_z(clients: int, malicious: int) -> float:
    """Return z for so many clients and malicious ones among them."""
    honest = clients - malicious
    supporters = clients // 2 + 1 - malicious
    if honest <= 0 or supporters <= 0:  # the malicious are the majority
        return 3.0
    return max(LEAST_Z, NormalDist().inv_cdf(min(max((honest - supporters) / honest, 1e-6), 1 - 1e-6)))


def _spread(view: View) -> tuple[Sums, FloatArray]:
    """Return the mean of the colluders' honest sums, and the deviation of each coordinate of `lift`."""
    every = [honest_sums(view, account) for account in sorted(view.colluders)]
    lifts = np.stack([sums.lift for sums in every])
    grams = [sums.gram for sums in every if sums.gram is not None]
    expected = [sums.expected for sums in every if sums.expected is not None]
    mean = Sums(
        lift=lifts.mean(axis=0),
        counts=np.rint(np.mean([sums.counts for sums in every], axis=0)).astype(np.int64),
        users=round(float(np.mean([sums.users for sums in every]))),
        gram=np.mean(grams, axis=0) if grams else None,
        expected=np.mean(expected, axis=0) if expected else None,
    )
    return mean, lifts.std(axis=0)
