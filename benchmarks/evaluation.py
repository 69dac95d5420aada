"""CPU time of evaluating everybody, beside a plain way that sorts each user's list; both must find the same figures.

    OPENBLAS_NUM_THREADS=1 TFEDRS_DATA=... python -m benchmarks.evaluation --dataset ml-1m-ncf

Each row is one model after one round: fitting the users' vectors, then ranking every test item among its candidates and
the whole catalogue by `common.evaluation`, then the plain way. Seconds are the process's, best of three.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from common.config import Settings
from common.data.load import load_dataset
from common.data.splits import Split, leave_one_out
from common.data.user_items import NO_ITEM
from common.evaluation import USERS_SCORED_TOGETHER, Evaluation, Scorer, evaluate
from common.metrics import ranking_metrics
from common.models import Arrays, FloatArray, Model
from common.models.ials import Ials
from common.models.ncf import Ncf
from launch.run_options import data_root

MODELS: dict[str, Model] = {
    "iALS, 64 factors": Ials(factors=64),
    "iALS, 128 factors": Ials(factors=128),
    "GMF, 64 factors": Ncf(variant="gmf"),
    "NeuMF, 64 factors": Ncf(),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation")
    parser.add_argument("--dataset", default=Settings().dataset)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="MODEL")
    options = parser.parse_args(arguments)
    split = leave_one_out(load_dataset(options.dataset, data_root()), seed=1)
    print(f"{options.dataset}: {np.count_nonzero(split.test != NO_ITEM)} users, {split.train.item_count} items\n")
    print("| model | users' vectors, CPU s | evaluation, CPU s | the plain way, CPU s |\n|---|---|---|---|")
    for name in options.models:
        model = MODELS[name]
        state = model.initial_state(split.train.item_count, np.random.default_rng(1))
        state = model.apply(state, model.fuse([model.local_step(state, split.train)[0]], [1.0]))
        fitting, vectors = _timed(partial(model.fold_in, state, split.train))
        quick, measured = _timed(partial(quickly, model, state, vectors, split))
        plain, expected = _timed(partial(plainly, model, state, vectors, split), repeats=1)
        if measured.metrics != expected:
            raise SystemExit(f"{name}: the two ways differ: {measured.metrics} and {expected}")
        print(f"| {name} | {fitting:.2f} | {quick:.2f} | {plain:.2f} |", flush=True)


def quickly(model: Scorer, state: Arrays, vectors: FloatArray, split: Split) -> Evaluation:
    """Evaluate as every run does."""
    return evaluate(model, state, vectors, split.train, split.test, split.candidates, split.validation)


def plainly(model: Scorer, state: Arrays, vectors: FloatArray, split: Split) -> dict[str, float]:
    """Sort the items of one user after the other, the test item last among its equals, and look up where it stands.

    Users are scored in the same groups, because the size of a group enters the rounding of a product.
    """
    sampled_ranks, full_ranks = [], []
    users = np.flatnonzero(split.test != NO_ITEM)
    for start in range(0, users.size, USERS_SCORED_TOGETHER):
        group = users[start : start + USERS_SCORED_TOGETHER]
        for user, scores in zip(group.tolist(), model.scores(state, vectors[group]).tolist(), strict=True):
            own = int(split.test[user])
            known = {*split.train.items_of(user).tolist(), int(split.validation[user])}
            sampled_ranks.append(_place(scores, own, set(split.candidates[user].tolist()) - {NO_ITEM}))
            full_ranks.append(_place(scores, own, set(range(split.train.item_count)) - known))
    return ranking_metrics(np.array(sampled_ranks)) | ranking_metrics(np.array(full_ranks), prefix="full_")


def _place(scores: Sequence[float], own: int, rivals: set[int]) -> int:
    ordered = sorted(rivals | {own}, key=lambda item: (-scores[item], item == own))
    return ordered.index(own) + 1


def _timed(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the CPU seconds of the quickest repeat, and what it returned."""
    quickest = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        result = work()
        quickest = min(quickest, time.process_time() - began)
    return quickest, result


if __name__ == "__main__":
    main()
