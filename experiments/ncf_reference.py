"""How accurate and how fast NCF is, federated and central, by arrays alone, beside iALS and a warm start from it.

    tfedrs experiment ncf-reference --seeds 1 2 3
    tfedrs experiment ncf-reference --dataset ml-1m-ncf --factors 128 --clients 1 10 100 6040 --models ials gmf fused

Settings are chosen on the validation columns. The clients that a round asks are trained as one batch; on a GPU, one
after another. Set OPENBLAS_NUM_THREADS=1 for CPU seconds that mean something.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.config import LOSSES, OPTIMIZERS, Settings
from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.device import DEVICES, Device, resolved
from common.models import ials_of
from common.models.cohort import Cohort, cohort_step
from common.models.fused import Fused
from common.models.gmf_mlp import GmfMlp
from common.models.model import Model
from common.models.ncf_chosen import ncf_of
from common.models.on_device import on_device
from common.models.warm_start import WarmStart
from common.seeding import generator
from experiments.baselines.array_rounds import Measured, measure
from launch.run_options import data_root

SHOWN = ("hit_ratio_at_10", "ndcg_at_10", "full_hit_ratio_at_10", "full_ndcg_at_10")


@dataclass(frozen=True)
class Trained:
    """A model after its rounds, and the CPU seconds of one round: all clients, checks and the server."""

    measured: Measured
    round_seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each model and number of clients, means over the seeds."""
    options = _parser().parse_args(arguments)
    device = resolved(options.device)
    dataset = load_dataset(options.dataset, options.data_root)
    splits = {
        seed: leave_one_out(dataset, seed, train_on_validation=options.train_on_validation) for seed in options.seeds
    }
    columns = [f"{part} {name}" for part in ("valid.", "test") for name in ("HR", "NDCG", "full HR", "full NDCG")]
    held_out = "in training" if options.train_on_validation else "held out"
    print(f"{options.dataset}, {options.loss}, {options.factors} factors, validation items {held_out}, ", end="")
    print(f"seeds {' '.join(map(str, options.seeds))}\n")
    print("| model | rounds | clients | " + " | ".join(columns) + " | CPU s a round |")
    print("|---|" + "---|" * (len(columns) + 3))
    settings = Settings(
        model="ncf",
        factors=options.factors,
        loss=options.loss,
        row_floor=options.row_floor,
        item_optimizer=options.item_optimizer,
        item_learning_rate=options.item_learning_rate,
        learning_rate_decay=options.learning_rate_decay,
        item_regularisation=options.item_regularisation,
    )
    for label, model in models(options.warm_start_rounds, settings).items():
        if options.models and label not in options.models:
            continue
        for rounds in options.rounds:
            for clients in options.clients:
                share = options.participation
                trained = [
                    train(model, dataset, splits[seed], clients, rounds, seed, share, device) for seed in options.seeds
                ]
                print(f"| {label} | {rounds} | {clients} | {_numbers(trained)} |", flush=True)


def models(warm_start_rounds: int, settings: Settings) -> dict[str, Model]:
    """Return the models that are compared, with the settings that were chosen."""
    gmf, neumf, mlp = (
        ncf_of(each)
        for each in (
            replace(settings, variant="gmf"),
            replace(settings, variant="neumf"),
            replace(settings, variant="mlp"),
        )
    )
    ials = ials_of(settings)
    return {
        "ials": ials,
        "fused": Fused(ials, gmf),
        "gmf": gmf,
        "neumf": neumf,
        "mlp": mlp,
        "ials, gmf": WarmStart(ials, gmf, warm_start_rounds),
        "ials, neumf": WarmStart(ials, neumf, warm_start_rounds),
        "gmf and mlp, neumf": WarmStart(GmfMlp(gmf, mlp), neumf, warm_start_rounds),
    }


def train(
    model: Model,
    dataset: Dataset,
    split: Split,
    client_count: int,
    rounds: int,
    seed: int,
    participation: float,
    device: Device = "cpu",
) -> Trained:
    """Train on an even partition, or with everybody in one client; the clients of a round count alike.

    Args:
        model: What to train.
        dataset: To partition by.
        split: Its training part is trained on.
        client_count: 1 or more.
        rounds: How many.
        seed: Decides start, partition and who takes part.
        participation: Share of the clients that a round asks, one at least.
        device: Where clients train, see `common.models.on_device`.
    """
    clients = _clients(dataset, split, client_count, seed)
    state = model.initial_state(split.train.item_count, generator(seed, "initial-model"))
    started = time.process_time()
    asked, everybody = generator(seed, "participation"), Cohort.of(clients, np.ones(len(clients)))
    for _ in range(rounds):
        taking_part, cohort = clients, everybody
        if participation < 1.0:
            chosen = asked.choice(len(clients), max(1, round(participation * len(clients))), replace=False)
            taking_part = [clients[at] for at in np.sort(chosen)]
            cohort = Cohort.of(taking_part, np.ones(len(taking_part)))
        if device == "cpu":
            fused = cohort_step(model, state, cohort)
        else:
            moved = on_device(model, state, device)
            updates = [moved.local_step(state, own)[0] for own in taking_part]
            fused = model.fuse(updates, cohort.weights.tolist())
        state = model.apply(state, fused)
    seconds = (time.process_time() - started) / rounds
    return Trained(measure(model, state, model.fold_in(state, split.train), split), seconds)


def _clients(dataset: Dataset, split: Split, client_count: int, seed: int) -> list[UserItems]:
    if client_count == 1:
        return [split.train]
    return [split.train.take(users) for users in partition_users(dataset, client_count, "even", seed)]


def _numbers(trained: Sequence[Trained]) -> str:
    means = [
        f"{np.mean([evaluation.metrics[name] for evaluation in evaluations]):.4f}" if evaluations[0].users else ""
        for evaluations in (
            [each.measured.validation for each in trained],
            [each.measured.test for each in trained],
        )
        for name in SHOWN
    ]
    seconds = np.mean([each.round_seconds for each in trained])
    return " | ".join(means) + f" | {seconds:.2f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment ncf-reference", description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="of local steps under the softmax (%(default)s)"
    )
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[5, 1], help="1: everybody in one place")
    parser.add_argument("--participation", type=float, default=1.0, help="share of the clients that a round asks")
    parser.add_argument("--factors", type=int, default=Settings.factors, help="(%(default)s)")
    parser.add_argument("--train-on-validation", action="store_true", help="for final numbers of a chosen setting")
    parser.add_argument("--loss", choices=LOSSES, default="softmax", help="of gmf, neumf and mlp")
    parser.add_argument("--row-floor", type=float, default=Settings.row_floor, help="of bce and bpr (%(default)s)")
    parser.add_argument("--item-optimizer", choices=OPTIMIZERS, default="adam")
    for name in ("item_learning_rate", "learning_rate_decay", "item_regularisation"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Settings, name))
    parser.add_argument("--rounds", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--warm-start-rounds", type=int, default=2, help="of what comes before the comma")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--models", nargs="*", default=[], help=f"default: all of {', '.join(models(1, Settings()))}")
    return parser


if __name__ == "__main__":
    main()
