"""How accurate and how fast federated rounds are, by arrays alone.

    tfedrs experiment federated-reference --dataset ml-1m-ncf --factors 128 --clients 100 --rounds 8 --seeds 1 2 3

Settings are chosen on the validation column; the last block trains on the validation items too, as the last run of
a chosen setting does. Set OPENBLAS_NUM_THREADS=1 for CPU seconds that mean something.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.splits import Split, leave_one_out
from common.evaluation import Evaluation
from common.models import Ials, Model
from common.seeding import generator
from experiments.baselines.array_rounds import Measured, measure
from experiments.baselines.central import central
from experiments.baselines.local_only import local_only
from experiments.baselines.popularity import popularity
from launch.run_options import data_root

SHOWN = ("hit_ratio_at_10", "ndcg_at_10", "full_hit_ratio_at_10", "full_ndcg_at_10")


@dataclass(frozen=True)
class Round:
    """The model after a round, and the CPU seconds of the round's parts; zero for W_0."""

    measured: Measured
    local_seconds: float
    server_seconds: float
    evaluation_seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the seeds and print a table for each, then means over the seeds."""
    options = _parser().parse_args(arguments)
    model = Ials(**{field.name: getattr(options, field.name) for field in fields(Ials)})
    print(f"{options.dataset}, {options.clients} clients, {model}")
    dataset = load_dataset(options.dataset, options.data_root)
    for in_training in (False, True):
        print(f"\nvalidation items {'in training' if in_training else 'held out of training'}")
        last: list[Measured] = []
        for seed in options.seeds:
            split = leave_one_out(dataset, seed, train_on_validation=in_training)
            rounds = federated_rounds(model, dataset, split, options.clients, options.rounds, seed)
            _print_rounds(seed, rounds)
            last.append(rounds[-1].measured)
            if options.baselines:
                _print_baselines(model, dataset, split, options.clients, options.rounds, seed)
        _print_mean(last)


def federated_rounds(
    model: Model, dataset: Dataset, split: Split, client_count: int, rounds: int, seed: int
) -> list[Round]:
    """Train an even partition and measure W_0 to W_rounds."""
    parts = partition_users(dataset, client_count, "even", seed)
    clients = [split.train.take(users) for users in parts]
    state = model.initial_state(split.train.item_count, generator(seed, "initial-model"))
    measured = measure(model, state, model.fold_in(state, split.train), split)
    history = [Round(measured, 0.0, 0.0, 0.0)]
    for _ in range(rounds):
        started = time.process_time()
        updates = [model.local_step(state, train)[0] for train in clients]
        trained = time.process_time()
        for update in updates:
            model.check_update(update, split.train.item_count)
        state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
        applied = time.process_time()
        measured = measure(model, state, model.fold_in(state, split.train), split)
        history.append(Round(measured, trained - started, applied - trained, time.process_time() - applied))
    return history


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment federated-reference", description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--baselines", action="store_true", help="also popularity, central and local-only")
    for field in fields(Ials):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default, help="(%(default)s)")
    return parser


def _print_rounds(seed: int, rounds: Sequence[Round]) -> None:
    print(f"seed {seed}  (valid. and test: {', '.join(SHOWN)}; CPU seconds: clients, server, evaluation)")
    for number, row in enumerate(rounds):
        seconds = f"{row.local_seconds:6.2f} {row.server_seconds:6.3f} {row.evaluation_seconds:6.2f}"
        print(f"  round {number:2d}  {_numbers(row.measured)}   {seconds}")


def _print_baselines(model: Model, dataset: Dataset, split: Split, client_count: int, rounds: int, seed: int) -> None:
    parts = partition_users(dataset, client_count, "even", seed)
    rows = {
        "popular": popularity(split),
        "central": central(model, split, rounds, generator(seed, "initial-model")),
        "alone": local_only(model, split, parts, rounds, generator(seed, "initial-model")),
    }
    for name, measured in rows.items():
        print(f"  {name:8s}  {_numbers(measured)}")


def _print_mean(measured: Sequence[Measured]) -> None:
    for part in ("validation", "test"):
        evaluations: list[Evaluation] = [getattr(each, part) for each in measured]
        if not all(evaluation.users for evaluation in evaluations):
            continue
        for name in SHOWN:
            values = [evaluation.metrics[name] for evaluation in evaluations]
            print(f"  {part:10s} {name:20s} mean {np.mean(values):.4f}, standard deviation {np.std(values):.4f}")


def _numbers(measured: Measured) -> str:
    columns = (("valid.", measured.validation), ("test", measured.test))
    return "  ".join(
        f"{label} " + " ".join(f"{evaluation.metrics[name]:.4f}" for name in SHOWN)
        for label, evaluation in columns
        if evaluation.users
    )


if __name__ == "__main__":
    main()
