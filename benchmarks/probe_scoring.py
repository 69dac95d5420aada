"""What scoring an update on a thousand volunteers costs: all anew as by the definition, all anew, and what changed.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.probe_scoring --dataset ml-1m-ncf

The first way gathers a row of scores for every held-out pair and compares it under a mask of rivals. The others are
those of `common.probe_scoring`: `shard_metrics`, and `MeasuredShard.gain` once the model that was sent is measured. All
three must come to the same figures. Processor milliseconds of one thread, the least of three, ways in turn; applying
the update is not included, and measuring the model that was sent, once for all updates on a shard, stands by itself.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from common.data.load import load_dataset
from common.data.probe import ProbeShard, draw_probe_pool
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.metrics import hit_ratio_at, ndcg_at, ranks
from common.models import Arrays, Ials, Mf, Model
from common.models.fused import Fused
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.probe_scoring import CUTOFF, MeasuredShard, ShardMetrics, gain, shard_metrics, state_with_update_alone
from common.rating_metrics import predicted_ratings
from launch.run_options import data_root

COHORT = 100
REPETITIONS = 3
TOLERANCE = 2e-4
"""Two pairs of 10,000: rounding may turn a near tie."""
GMF = Ncf(variant="gmf")
MODELS: dict[str, Model] = {
    "MF of ratings": Mf(),
    "GMF, BCE": SampledNcf(ncf=GMF),
    "GMF, BPR": SampledNcf(loss="bpr", ncf=GMF),
    "iALS": Ials(),
    "GMF, softmax": GMF,
    "iALS beside GMF, softmax": Fused(Ials(), GMF),
    "NeuMF, BCE": SampledNcf(),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table."""
    options = _parser().parse_args(arguments)
    split = leave_one_out(load_dataset(options.dataset, options.data_root), options.seed)
    volunteers = options.volunteers / split.train.user_count
    pool, train = draw_probe_pool(split.train, 1, 10 * options.volunteers, volunteers, options.seed)
    shard = pool[0]
    one = train.take(np.array([int(np.argsort(train.counts)[train.user_count // 2])]))
    silo = train.take(np.arange(0, train.user_count, COHORT))
    print(
        f"{options.dataset}, seed {options.seed}, {shard.histories.user_count} volunteers, "
        f"{len(shard.held_out_items)} pairs, {train.item_count} items, 64 factors\n"
    )
    print("| model | update of | rows it changes | model sent | by definition | anew | what changed | times |")
    print("|---" * 8 + "|")
    for name, model in MODELS.items():
        state = model.initial_state(train.item_count, np.random.default_rng(options.seed))
        for _ in range(2):
            state = model.apply(state, model.fuse([model.local_step(state, train)[0]], [1.0]))
        for label, own in (("one user", one), (f"{silo.user_count} users", silo)):
            _print_row(f"| {name} | {label}", model, state, own, shard)


def _print_row(label: str, model: Model, state: Arrays, own: UserItems, shard: ProbeShard) -> None:
    applied = state_with_update_alone(model, state, model.local_step(state, own)[0], COHORT)
    factors = next(name for name in state if name.endswith("item_factors"))
    rows = np.count_nonzero(np.any(applied[factors] != state[factors], axis=1))
    measured = MeasuredShard(model, state, shard)
    ways: tuple[Callable[[], ShardMetrics], ...] = (
        lambda: MeasuredShard(model, state, shard).metrics,
        lambda: gain(by_definition(model, applied, shard), measured.metrics),
        lambda: gain(shard_metrics(model, applied, shard), measured.metrics),
        lambda: measured.gain(applied),
    )
    least, found = [float("inf")] * len(ways), [ShardMetrics(0.0, 0.0)] * len(ways)
    for _ in range(REPETITIONS):
        for at, way in enumerate(ways):
            began = time.process_time()
            found[at] = way()
            least[at] = min(least[at], time.process_time() - began)
    for one in found[2:]:
        if max(abs(one.first - found[1].first), abs(one.second - found[1].second)) > TOLERANCE:
            raise RuntimeError(f"{label}: the ways differ, {found[1:]}")
    cells = " | ".join(f"{1000 * seconds:.0f}" for seconds in least)
    print(f"{label} | {rows} | {cells} | {least[1] / least[3]:.1f} |", flush=True)


def by_definition(model: Model, state: Arrays, shard: ProbeShard) -> ShardMetrics:
    """Rank a copy of its volunteer's scores for every held-out pair."""
    scores = model.scores(state, model.fold_in(state, shard.histories))
    own = scores[shard.held_out_users, shard.held_out_items]
    if model.rating_range is not None:
        errors = np.abs(shard.held_out_ratings - predicted_ratings(own, model.rating_range))
        return ShardMetrics(-float(np.log(np.mean(errors**2))) / 2, -float(np.log(np.mean(errors))))
    rivals = np.ones(scores.shape, dtype=np.bool_)
    rivals[shard.histories.users, shard.histories.items] = False
    rivals[shard.held_out_users, shard.held_out_items] = False
    found = ranks(own, scores[shard.held_out_users], rivals[shard.held_out_users])
    return ShardMetrics(ndcg_at(CUTOFF, found), hit_ratio_at(CUTOFF, found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probe_scoring", description=__doc__)
    parser.add_argument("--dataset", default="ml-1m-ncf")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--volunteers", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
