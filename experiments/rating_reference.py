"""How accurately ratings are predicted, federated and central, by arrays alone, beside what they must beat.

    tfedrs experiment rating-reference --seeds 1 2 3
    tfedrs experiment rating-reference --dataset ml-1m --clients 100 --seeds 1

Settings are chosen on the validation columns. "exact" minimises the same objective by alternating least squares with
all data in one place: what is reachable.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path

import numpy as np

from common.data.load import load_dataset
from common.data.partition import Parts, partition_users
from common.data.splits import Split, leave_one_out
from common.models import Arrays
from common.models.mf import Mf
from common.rating_metrics import with_rmse
from common.seeding import generator
from experiments.baselines.array_rounds import Measured, measure, states_of
from experiments.baselines.local_only import local_only
from experiments.baselines.ratings import biases, exact, global_mean, item_means, nobodys_vectors
from launch.run_options import data_root

BIAS_SWEEPS = 20

Figures = dict[str, float]
"""Metrics under `validation_` and `test_`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each method and number of rounds, means over the seeds."""
    options = _parser().parse_args(arguments)
    chosen = {field.name: getattr(options, field.name) for field in fields(Mf)}
    model = Mf(**{name: value for name, value in chosen.items() if value is not None})
    dataset = load_dataset(options.dataset, options.data_root)
    rows: dict[str, list[Figures]] = {}
    for seed in options.seeds:
        split = leave_one_out(dataset, seed)
        parts = partition_users(dataset, options.clients, "even", seed)
        for method, figures in methods(model, split, parts, options.rounds, options.sweeps, seed):
            rows.setdefault(method, []).append(figures)
    print(f"{options.dataset}, {options.clients} clients, seeds {' '.join(map(str, options.seeds))}, {model}\n")
    columns = ("validation_rmse", "validation_mae", "test_rmse", "test_mae")
    print("| method | valid. RMSE | valid. MAE | test RMSE | test MAE |\n|---|---|---|---|---|")
    for method, measured in rows.items():
        cells = [_cell([figures[column] for figures in measured]) for column in columns]
        print(f"| {method} | {' | '.join(cells)} |")


def methods(
    model: Mf, split: Split, parts: Parts, rounds: Sequence[int], sweeps: int, seed: int
) -> Iterator[tuple[str, Figures]]:
    """Yield each method's name and figures for one seed."""
    train = split.train
    for method, state in (("global mean", global_mean(model, train)), ("item means", item_means(model, train))):
        yield method, figures_of(measure(model, state, nobodys_vectors(state, train), split))

    def rng() -> np.random.Generator:
        return generator(seed, "initial-model")

    def solved(state: Arrays) -> Figures:
        return figures_of(measure(model, state, model.fold_in(state, train), split))

    yield "user and item biases", solved(biases(model, train, BIAS_SWEEPS))
    alone = local_only(model, split, parts, max(rounds), rng())
    yield f"local only, {max(rounds)} rounds", figures_of(alone)
    for label, clients in (("federated", [train.take(users) for users in parts]), ("central", [train])):
        for number, state in enumerate(islice(states_of(model, clients, rng()), max(rounds) + 1)):
            if number in rounds:
                yield f"{label}, {number} rounds", solved(state)
    yield f"exact, {sweeps} sweeps", solved(exact(model, train, sweeps, rng()))


def figures_of(measured: Measured) -> Figures:
    """Name the errors by their split, mean squared errors as roots."""
    parts = {"validation": measured.validation, "test": measured.test}
    return {f"{part}_{name}": value for part, one in parts.items() for name, value in with_rmse(one.metrics).items()}


def _cell(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment rating-reference", description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--rounds", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--sweeps", type=int, default=20, help="of exact alternating least squares")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    for field in fields(Mf):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), help=f"default: {field.default}"
        )
    return parser


if __name__ == "__main__":
    main()
