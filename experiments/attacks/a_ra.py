"""A-ra: without data of others, synthetic users stand for them, and the targets are raised for those.

The gradient of -sum_u ln sigma(x_ut) over synthetic users u lifts a target's row by

    lift_t = sum_u (1 - sigma(x_ut)) p_u

We differ from the paper in drawing p_u by the mean and the deviations of the client's own users' vectors, where it
draws them around zero: in a dot product such users cancel, and the row would shrink towards zero.
"""

from typing import ClassVar

import numpy as np

from common.models import Arrays, FloatArray
from experiments.attacks.attack import Attack, View
from experiments.attacks.pushing import honest_sums, pushed
from experiments.attacks.sums import update_of


class ARa(Attack):
    """Raise the targets for synthetic users, as many as the client has."""

    name: ClassVar[str] = "a-ra"
    knowledge: ClassVar[str] = "nothing but its own data"
    budget: ClassVar[str] = "the gradient of as many synthetic users as it has, in the targets' rows alone"
    source: ClassVar[str] = "Rong et al. (2022), Poisoning deep learning based recommender model in federated learning"
    targeted: ClassVar[bool] = True

    def update(self, view: View) -> Arrays:
        """Return the honest update with the targets' rows replaced by the synthetic users' gradient."""
        own = view.vectors_of(view.account)
        drawn = view.rng().normal(own.mean(axis=0), own.std(axis=0), own.shape).astype(np.float32)
        scores = view.model.scores(view.state, drawn)[:, view.targets]
        doubts = 1 / (1 + np.exp(np.clip(scores, -30, 30)))  # 1 - sigma(x), shape (users, targets)
        rows: FloatArray = (doubts.T @ drawn).astype(np.float32)
        return update_of(view.model, pushed(view, honest_sums(view, view.account), rows))
