"""What peers' scores of `mf` updates tell apart: honest ones, one that is turned round, one trained on flipped ratings.

    tfedrs experiment rating-scores

Each score is the median over four shards, by arrays alone, everybody honest until then; the last columns are what
calibration makes of them on the scale of the rounds so far: docs/decisions/0005-scores-of-rating-models.md.
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
from common.probe_scoring import MeasuredShard, state_with_update_alone
from common.seeding import generator
from server.reputation import WAD, calibrate, learning_scale

CLIENTS, SHARDS = 5, 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each round and unit; what is not honest is the first client's."""
    parser = argparse.ArgumentParser(prog="tfedrs experiment rating-scores", description=__doc__)
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
    print("| round | honest scores | turned round | flipped ratings | R honest, least | R turned | R flipped |")
    print("|---" * 7 + "|")
    scale_wad = 0
    for server_round in range(1, options.rounds + 1):
        updates = [model.local_step(state, client)[0] for client in clients]
        turned = updates[0] | {name: -updates[0][name] for name in ("item_factors", "item_bias", "mean")}
        judged = [*updates, turned, model.local_step(state, flipped)[0]]
        scores = [score(model, state, update, pool) for update in judged]
        honest, others = scores[:CLIENTS], scores[CLIENTS:]
        scale_wad = learning_scale([int(one * WAD) for one in honest], scale_wad)
        # what is not honest stands in the first client's place, each for itself
        reputations = [
            calibrate({str(k): int(one * WAD) for k, one in enumerate([first, *honest[1:]])}, scale_wad)
            for first in (honest[0], *others)
        ]
        cells = [min(reputations[0].values()), reputations[1]["0"], reputations[2]["0"]]
        print(
            f"| {server_round} | {min(honest):+.4f} to {max(honest):+.4f} | {others[0]:+.4f} | {others[1]:+.4f} | "
            + " | ".join(f"{cell / WAD:.2f}" for cell in cells)
            + " |"
        )
        state = model.apply(state, model.fuse(updates, [1.0] * CLIENTS))


def score(model: Mf, state: Arrays, update: Arrays, pool: Sequence[ProbeShard]) -> float:
    """Return the median over the shards of the mean of both gains."""
    applied = state_with_update_alone(model, state, update, CLIENTS)
    gains = [MeasuredShard(model, state, shard).gain(applied) for shard in pool]
    return median((one.first + one.second) / 2 for one in gains)


if __name__ == "__main__":
    main()
