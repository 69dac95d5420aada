"""Sybil: all malicious clients are one attacker, who registered several accounts for the data of one.

Each identity sends the owner's update with the targets pushed, a little different so that no two have the same bytes.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_length, honest_sums, mean_vector, pushed, unit
from experiments.attacks.sums import update_of


@dataclass(frozen=True)
class Sybil(Attack):
    """Multiply one client's voice; `jitter` is the share of a row's length by which identities differ."""

    name: ClassVar[str] = "sybil"
    knowledge: ClassVar[str] = "the data of one client, whatever its identities are"
    budget: ClassVar[str] = "as many identities as there are malicious clients; rows at the 99th honest percentile"
    source: ClassVar[str] = "Douceur (2002), The Sybil attack; in federated learning Fung et al. (2020), FoolsGold"
    targeted: ClassVar[bool] = True

    jitter: float = 0.01

    def update(self, view: View) -> Arrays:
        """Return the owner's pushed update, each identity a little beside it."""
        owner = min(view.colluders)
        sums = honest_sums(view, owner)
        row = np.float32(honest_length(view, 99, owner)) * unit(mean_vector(view, owner))
        sums = pushed(view, sums, row)
        noise: FloatArray = unit(view.rng().normal(size=sums.lift.shape).astype(np.float32))
        lengths = (self.jitter * sums.lengths).astype(np.float32)[:, None]
        return update_of(view.model, replace(sums, lift=sums.lift + lengths * noise))
