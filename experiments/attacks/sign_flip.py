"""Sign flip: the honest update backwards, or several times so."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from common.models import Arrays
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_sums
from experiments.attacks.sums import update_of


@dataclass(frozen=True)
class SignFlip(Attack):
    """Send -`scale` times what was learnt; counts and the Gram matrix, which cannot be negative, stay."""

    name: ClassVar[str] = "sign-flip"
    knowledge: ClassVar[str] = "nothing but its own data"
    budget: ClassVar[str] = "`scale` times the honest length"
    source: ClassVar[str] = "Li et al. (2019), RSA: Byzantine-robust stochastic aggregation methods"
    targeted: ClassVar[bool] = False

    scale: float = 1.0

    def update(self, view: View) -> Arrays:
        """Return the honest update with the sign of what was learnt changed."""
        sums = honest_sums(view, view.account)
        flipped = replace(sums, lift=np.float32(-self.scale) * sums.lift)
        if sums.expected is not None:  # the bias' gradient is how much this exceeds the counts
            flipped = replace(flipped, expected=sums.counts - self.scale * (sums.expected - sums.counts))
        return update_of(view.model, flipped)
