"""What peers' scores of `mf` updates tell apart: honest ones, one that is turned round, one trained on flipped ratings.

    python -m experiments.rating_scores

Each score is the median over four shards, by arrays alone, everybody honest until then. "Relative" is what the score
would be if falls were relative to the error of the model that was sent: docs/decisions/0005-scores-of-rating-models.md.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.probe import ProbeShard, draw_probe_pool
from common.data.splits import leave_one_out
from common.models import Arrays
from common.models.mf import Mf
from common.probe_scoring import gain, shard_metrics, state_with_update_alone
from common.seeding import generator

CLIENTS, SHARDS = 5, 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each round and unit; what is not honest is the first client's."""
    parser = argparse.ArgumentParser(prog="python -m experiments.rating_scores", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    dataset = load_dataset("ml-latest-small-2016", None)
    pool, train = draw_probe_pool(leave_one_out(dataset, options.seed).train, SHARDS, 200, 0.1, options.seed)
    clients = [train.take(users) for users in partition_users(dataset, CLIENTS, "even", options.seed)]
    least, greatest = Mf().rating_range
    flipped = replace(clients[0], ratings=np.float32(least + greatest) - clients[0].ratings)
    model = Mf()
    state = model.initial_state(train.item_count, generator(options.seed, "initial-model"))
    print("| round | unit | honest, least | honest, median | honest, most | turned round | flipped ratings |")
    print("|---" * 7 + "|")
    for server_round in range(1, options.rounds + 1):
        updates = [model.local_step(state, client)[0] for client in clients]
        turned = updates[0] | {name: -updates[0][name] for name in ("item_factors", "item_bias", "mean")}
        judged = [*updates, turned, model.local_step(state, flipped)[0]]
        for unit in ("rating range", "relative"):
            scores = [score(model, state, update, pool, relative=unit == "relative") for update in judged]
            honest, others = scores[:CLIENTS], scores[CLIENTS:]
            cells = [min(honest), median(honest), max(honest), *others]
            print(f"| {server_round} | {unit} | {' | '.join(f'{cell:+.4f}' for cell in cells)} |")
        state = model.apply(state, model.fuse(updates, [1.0] * CLIENTS))


def score(model: Mf, state: Arrays, update: Arrays, pool: Sequence[ProbeShard], *, relative: bool) -> float:
    """Return the median over the shards of the mean of both gains."""
    applied = state_with_update_alone(model, state, update, CLIENTS)
    scores = []
    for shard in pool:
        base = shard_metrics(model, state, shard)
        gained = gain(shard_metrics(model, applied, shard), base)
        units = (-base.first, -base.second) if relative else (1.0, 1.0)
        scores.append((gained.first / units[0] + gained.second / units[1]) / 2)
    return median(scores)


if __name__ == "__main__":
    main()
