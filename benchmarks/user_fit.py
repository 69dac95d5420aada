"""How close NCF's few steps bring users' vectors to the least loss, and what a step costs.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.user_fit --dataset ml-1m-ncf --factors 128

NeuMF is trained for some rounds with everybody in one place, then a sample of its users is fitted anew in each way.
Line steps take the MLP for linear, tower steps take it as it is (`common.models.ncf_users`). The loss is a user's,
divided by its interactions, above the least that any of the ways, or many more steps, has found for this user.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.data.load import load_dataset
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.models.cohort import Cohort, cohort_step
from common.models.model import FloatArray
from common.models.ncf import Ncf
from common.models.ncf_users import Catalogue, groups
from common.seeding import generator
from launch.run_options import data_root

WAYS = ((8, 1), (8, 2), (8, 3), (4, 2), (1, 8), (1, 60))
"""Line steps and tower steps; with a single line step, nearly all is left to the tower's."""
MANY = ((20, 40), (20, 80))
"""Only to find the least loss."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, fit a sample in every way, print one Markdown table."""
    options = _parser().parse_args(arguments)
    dataset = load_dataset(options.dataset, options.data_root)
    train = leave_one_out(dataset, options.seed).train
    model = Ncf(factors=options.factors)
    state = model.initial_state(train.item_count, generator(options.seed, "initial-model"))
    everybody = Cohort.of([train], np.ones(1))
    for _ in range(options.rounds):
        state = model.apply(state, cohort_step(model, state, everybody))
    rng = np.random.default_rng(options.seed)
    sample = train.take(np.sort(rng.choice(train.user_count, min(options.users, train.user_count), replace=False)))
    catalogue = model.catalogue(state)
    losses, seconds = {}, {}
    for way in (*WAYS, *MANY):
        fitting = replace(model, user_steps=way[0], tower_steps=way[1])
        began = time.process_time()
        vectors = fitting.fit(catalogue, sample)
        seconds[way] = time.process_time() - began
        losses[way] = loss_by_user(model, catalogue, sample, vectors)
    least = np.minimum.reduce(list(losses.values()))
    print(f"{options.dataset}, NeuMF of {options.factors} factors after {options.rounds} rounds, ", end="")
    print(f"{sample.user_count} users, seed {options.seed}\n")
    print("| line steps | tower steps | mean loss above the least | greatest | CPU ms a user |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        above = losses[way] - least
        cost = 1000 * seconds[way] / sample.user_count
        print(f"| {way[0]} | {way[1]} | {above.mean():.4f} | {above.max():.3f} | {cost:.2f} |")


def loss_by_user(model: Ncf, catalogue: Catalogue, histories: UserItems, vectors: FloatArray) -> FloatArray:
    """Return each user's part of L (`common.models.ncf`), over its interactions. float64, shape (users,)."""
    prior = model.display * len(catalogue.item_bias)
    parts = []
    for users, own in groups(histories, catalogue.users_together):
        scores = catalogue.scores(vectors[users]).astype(np.float64)
        greatest = scores.max(axis=1)
        normaliser = np.log(np.exp(scores - greatest[:, None]).sum(axis=1)) + greatest
        likelihood = np.bincount(own.users, scores[own.users, own.items], own.user_count) - own.counts * normaliser
        penalty = model.user_regularisation / 2 * (own.counts + prior) * (vectors[users].astype(np.float64) ** 2).sum(1)
        parts.append((penalty - likelihood) / own.counts)
    return np.concatenate(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.user_fit", description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10, help="of training before (%(default)s)")
    parser.add_argument("--users", type=int, default=320, help="in the sample (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
