"""How accurate NCF is when every client takes noisy steps, by arrays alone, and what that costs.

    tfedrs experiment dp-sgd-reference --seeds 1 2 3
    tfedrs experiment dp-sgd-reference --noise-multipliers 11 --factors 4 --item-scale 0.5 --item-learning-rate 300

Beside popularity; the same steps with next to no noise, of which nothing is claimed; and every client alone, also
without noise, as there is nobody to hide from. Settings are chosen on the validation columns.

The noise comes from seeds here, so that the figures repeat. The epsilons are those of the same plan with noise from
`operating_system_generator`: about one interaction, add-or-remove, at the delta in the heading, for a client that takes
part in every round.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from client.dp_sgd import DpSgdPlan, dp_sgd_update
from common.config import LEAST_NOISE_MULTIPLIER
from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.partition import Parts, partition_users
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.evaluation import pooled
from common.models import Arrays
from common.models.ncf import Variant
from common.models.ncf_averaged import AveragedNcf
from common.norms import joint_norm
from common.seeding import generator
from experiments.baselines.array_rounds import Measured, measure
from experiments.baselines.popularity import popularity
from launch.run_options import data_root
from server.privacy_statement import epsilon_of

SHOWN = ("hit_ratio_at_10", "ndcg_at_10", "full_hit_ratio_at_10", "full_ndcg_at_10")


@dataclass(frozen=True)
class Trained:
    """A model after its rounds, the CPU seconds of one client's round, and the joint length of the longest update."""

    measured: Measured
    client_seconds: float
    longest_move: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table, means over the seeds, then the peak memory of the process."""
    options = _parser().parse_args(arguments)
    chosen = {field.name: getattr(options, field.name) for field in fields(DpSgdPlan)}
    plan = DpSgdPlan(**{name: value for name, value in chosen.items() if value is not None})
    ncf = replace(AveragedNcf().ncf, **_given(options, ("variant", "factors", "tower_factors", "user_regularisation")))
    model = replace(AveragedNcf(), ncf=ncf, **_given(options, ("item_scale",)))
    dataset = load_dataset(options.dataset, options.data_root)
    print(
        f"{options.dataset}, {options.clients} clients, {options.rounds} rounds, seeds {options.seeds}\n{plan}\n{model}"
    )
    columns = [f"{part} {name}" for part in ("valid.", "test") for name in ("HR", "NDCG", "full HR", "full NDCG")]
    print(f"\n| method | sigma / C | epsilon at {options.delta:g} | " + " | ".join(columns) + " | CPU s | move |")
    print("|---|" + "---|" * (len(columns) + 4))
    splits = {seed: leave_one_out(dataset, seed) for seed in options.seeds}
    if options.baselines:
        floor = [Trained(popularity(split), 0.0, 0.0) for split in splits.values()]
        print(f"| popularity | | | {_numbers(floor)} |", flush=True)
    for multiplier in options.noise_multipliers:
        noisy = replace(plan, noise_multiplier=multiplier)
        trained = [_federated(model, dataset, splits[seed], options, noisy, seed) for seed in options.seeds]
        epsilon = epsilon_of([noisy.release.repeated(options.rounds)], options.delta).value
        print(f"| federated | {multiplier:g} | {epsilon:.2f} | {_numbers(trained)} |", flush=True)
    if options.baselines:
        silent = replace(plan, noise_multiplier=LEAST_NOISE_MULTIPLIER)
        for label, train in (("federated, clipped only", _federated), ("every client alone, clipped only", _alone)):
            trained = [train(model, dataset, splits[seed], options, silent, seed) for seed in options.seeds]
            print(f"| {label} | | | {_numbers(trained)} |", flush=True)
    print(
        f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, with data and evaluation"
    )


def train_noisily(
    model: AveragedNcf, clients: Sequence[UserItems], plan: DpSgdPlan, rounds: int, seed: int, first_client: int = 0
) -> tuple[Arrays, float, float]:
    """Return the state after these rounds, the CPU seconds of one client's round, and the length of the longest update.

    Every client takes part in every round, with weight 1. Clients are numbered from `first_client`, so that those who
    train alone do not share their noise.
    """
    item_count = clients[0].item_count
    state = model.initial_state(item_count, generator(seed, "initial-model"))
    seconds = longest = 0.0
    for server_round in range(1, rounds + 1):
        started = time.process_time()
        updates = [
            dp_sgd_update(model, state, train, plan, generator(seed, "insecure-dp-sgd", server_round, client))
            for client, train in enumerate(clients, start=first_client)
        ]
        seconds += time.process_time() - started
        for update in updates:
            model.check_update(update, item_count)
            longest = max(longest, joint_norm(update, update))
        state = model.apply(state, model.fuse(updates, [1.0] * len(updates)))
    return state, seconds / (rounds * len(clients)), longest


def _federated(
    model: AveragedNcf, dataset: Dataset, split: Split, options: argparse.Namespace, plan: DpSgdPlan, seed: int
) -> Trained:
    clients = [split.train.take(users) for users in _parts(dataset, options, seed)]
    state, seconds, longest = train_noisily(model, clients, plan, options.rounds, seed)
    return Trained(measure(model, state, model.fold_in(state, split.train), split), seconds, longest)


def _alone(
    model: AveragedNcf, dataset: Dataset, split: Split, options: argparse.Namespace, plan: DpSgdPlan, seed: int
) -> Trained:
    measured, seconds, lengths = [], [], []
    for client, users in enumerate(_parts(dataset, options, seed)):
        train = split.train.take(users)
        state, client_seconds, longest = train_noisily(model, [train], plan, options.rounds, seed, client)
        measured.append(measure(model, state, model.fold_in(state, train), split, users))
        seconds.append(client_seconds)
        lengths.append(longest)
    everybody = Measured(pooled([each.validation for each in measured]), pooled([each.test for each in measured]))
    return Trained(everybody, float(np.mean(seconds)), max(lengths))


def _parts(dataset: Dataset, options: argparse.Namespace, seed: int) -> Parts:
    return partition_users(dataset, options.clients, "even", seed)


def _numbers(trained: Sequence[Trained]) -> str:
    means = [
        np.mean([evaluation.metrics[name] for evaluation in evaluations])
        for evaluations in (
            [each.measured.validation for each in trained],
            [each.measured.test for each in trained],
        )
        for name in SHOWN
    ]
    seconds = np.mean([each.client_seconds for each in trained])
    return (
        " | ".join(f"{mean:.4f}" for mean in means)
        + f" | {seconds:.2f} | {max(each.longest_move for each in trained):.0f}"
    )


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment dp-sgd-reference", description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--noise-multipliers", type=float, nargs="+", default=[3.3, 6.0, 11.0])
    parser.add_argument("--no-baselines", dest="baselines", action="store_false")
    parser.add_argument("--variant", choices=get_args(Variant))
    for name, kind in (("factors", int), ("tower_factors", int), ("user_regularisation", float), ("item_scale", float)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    for field in fields(DpSgdPlan):
        if field.name != "noise_multiplier":
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default))
    parser.set_defaults(noise_multiplier=None)
    return parser


if __name__ == "__main__":
    main()
