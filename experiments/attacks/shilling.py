"""Data shilling: profiles of users who do not exist, with the targets among other items.

The client then trains honestly on its own users and these. Fillers are drawn evenly, or, on a bandwagon, by the
colluders' own popularity, so that the profiles look like most users and the targets are recommended beside what most
users have.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from common.data.user_items import UserItems
from common.models import Arrays
from experiments.attacks.attack import Attack, View
from experiments.attacks.made_up_users import users_with


@dataclass(frozen=True)
class Shilling(Attack):
    """Add `profiles` made-up users for each real one, with all targets and as many items as a real user has.

    Measured: where the targets take turns, one to a profile, each is exposed less. In a model of many factors the
    profiles get a direction of their own, and few real users see the targets.
    """

    name: ClassVar[str] = "shilling"
    knowledge: ClassVar[str] = "the colluders' data, for the popularity of items on a bandwagon"
    budget: ClassVar[str] = "one profile for each real user; the training is honest"
    source: ClassVar[str] = "Lam and Riedl (2004); bandwagon: Mobasher et al. (2007), Toward trustworthy recommenders"
    targeted: ClassVar[bool] = True

    fillers: Literal["random", "bandwagon"] = "random"
    profiles: float = 1.0

    def update(self, view: View) -> Arrays:
        """Return the honest update on real and made-up users."""
        fake = view.once("profiles", lambda rng: self._drawn(view, rng))
        return view.model.local_step(view.state, UserItems.stacked([view.train, fake]))[0]

    def _drawn(self, view: View, rng: np.random.Generator) -> UserItems:
        popularity = view.counts().astype(np.float64) if self.fillers == "bandwagon" else np.ones(view.train.item_count)
        popularity[view.targets] = 0
        chances = popularity / popularity.sum()
        length = max(1, round(float(view.train.counts.mean())) - len(view.targets))
        length = min(length, int(np.count_nonzero(chances)))
        return users_with(
            [
                np.concatenate((view.targets, rng.choice(len(chances), length, replace=False, p=chances)))
                for _ in range(max(1, round(self.profiles * view.train.user_count)))
            ],
            view.train.item_count,
        )
