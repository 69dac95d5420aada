"""Push-boost: each malicious client writes into the targets' rows what lifts them for its users.

    lift_t = gamma c m / |m|,   c = 99th percentile of the lengths of the colluders' honest rows,
                                m = mean vector of the colluders' users

The rest of the update is honest.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.models import Arrays
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_length, honest_sums, mean_vector, pushed, unit
from experiments.attacks.sums import update_of


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
        length = np.float32(self.gamma * honest_length(view, 99, *view.colluders))
        row = length * unit(mean_vector(view, *view.colluders))
        return update_of(view.model, pushed(view, honest_sums(view, view.account), row))
