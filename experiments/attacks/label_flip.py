"""Label flip: positives and negatives change places.

A user's items become as many others that it does not have, drawn evenly. Its vector stays that of its true items, so
that the update says of every taste that it likes what it does not: fitted to the drawn items, a vector is hardly more
than noise, which does little harm.
"""

from typing import ClassVar

import numpy as np

from common.data.user_items import UserItems
from common.models import Arrays
from experiments.attacks.attack import Attack, View
from experiments.attacks.made_up_users import users_with


class LabelFlip(Attack):
    """Say that users like what they do not."""

    name: ClassVar[str] = "label-flip"
    knowledge: ClassVar[str] = "nothing but its own data"
    budget: ClassVar[str] = "every interaction of every user"
    source: ClassVar[str] = "Tolpegin et al. (2020), Data poisoning attacks against federated learning systems"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return the update of honest vectors on flipped data."""
        data = view.once("flipped data", lambda rng: flipped(view.train, rng))
        return view.model.update_of(view.state, data, view.vectors_of(view.account))


def flipped(train: UserItems, rng: np.random.Generator) -> UserItems:
    """Return as many items for each user, none of which it has; fewer where the catalogue has no more."""
    drawn = []
    for user in range(train.user_count):
        others = np.setdiff1d(np.arange(train.item_count), train.items_of(user))
        drawn.append(rng.choice(others, min(len(others), int(train.counts[user])), replace=False))
    return users_with(drawn, train.item_count)
