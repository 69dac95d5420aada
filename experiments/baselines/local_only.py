"""Every client alone: what a participant would have without the federation."""

import numpy as np

from common.data.partition import Parts
from common.data.splits import Split
from common.evaluation import pooled
from common.models import Model
from experiments.baselines.array_rounds import Measured, measure, state_after


def local_only(model: Model, split: Split, parts: Parts, rounds: int, rng: np.random.Generator) -> Measured:
    """Train one model per client on its own users, evaluate each on the same users, and pool over users.

    The catalogue, and with it every candidate, is that of the federation.
    """
    measured = []
    for users in parts:
        train = split.train.take(users)
        state = state_after(rounds, model, [train], rng)
        measured.append(measure(model, state, model.fold_in(state, train), split, users))
    return Measured(pooled([each.validation for each in measured]), pooled([each.test for each in measured]))
