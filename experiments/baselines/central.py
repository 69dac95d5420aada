"""The same model with all users in one place: what federation is measured against."""

import numpy as np

from common.data.splits import Split
from common.models import Model
from experiments.baselines.array_rounds import Measured, measure, state_after


def central(model: Model, split: Split, rounds: int, rng: np.random.Generator) -> Measured:
    """Train for `rounds` server steps with one client that holds everybody, then evaluate.

    For sums such as those of iALS this equals federated training without weights, up to rounding.
    """
    state = state_after(rounds, model, [split.train], rng)
    return measure(model, state, model.fold_in(state, split.train), split)
