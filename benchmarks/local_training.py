"""What local training costs: against plain PyTorch, a whole round at one client a user, and how it grows.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.local_training --dataset ml-1m-ncf

Processor seconds of one thread, so that other work on the machine disturbs little. Every figure is taken in a process
of its own, whose greatest memory is printed beside it, the data set included.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from common.data.load import load_dataset
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.models import Ials, Mf, Model
from common.models.cohort import Cohort, cohort_step
from common.models.ncf import Ncf
from common.models.ncf_layout import TowerLayout
from launch.run_options import data_root
from launch.workspace import PROJECT_ROOT

ENGINES = {"plain": "plain PyTorch, each client", "single": "ours, one by one", "cohort": "ours, as a cohort"}
CLIENTS_MEASURED = {"plain": 60, "single": 600}
LAYOUTS = {"MF (GMF)": TowerLayout(0, (16, 8)), "NeuMF": TowerLayout(16, (16, 8))}
FACTORS = 64
MODELS: dict[str, Model] = {
    "iALS, 128 factors": Ials(factors=128),
    "MF of ratings": Mf(),
    "GMF, full softmax": Ncf(variant="gmf"),
    "NeuMF, full softmax": Ncf(),
}
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
BCE = "{}, BCE, 4 negatives"


@dataclass(frozen=True)
class Cost:
    """Processor seconds of one step of so many clients with so many interactions, and the process's memory."""

    clients: int
    interactions: int
    seconds: float
    peak_mb: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Print three Markdown tables."""
    options = _parser().parse_args(arguments)
    if options.only:
        print(json.dumps(vars(_measure(options))))
        return
    _print_engines(options)
    _print_rounds(options)
    _print_growth(options)


def _print_engines(options: argparse.Namespace) -> None:
    _say(f"{options.dataset}, seed {options.seed}, {FACTORS} factors, one local step by one user a client\n")
    _say("| model | engine | client updates per CPU-s | times plain | peak MB |\n|---|---|---|---|---|")
    for name in LAYOUTS:
        plain = 0.0
        for engine, label in ENGINES.items():
            cost = _alone(options, engine, name)
            rate = cost.clients / cost.seconds
            plain = plain or rate
            _say(f"| {name} | {label} | {rate:,.0f} | {rate / plain:.0f} | {cost.peak_mb:.0f} |")


def _print_rounds(options: argparse.Namespace) -> None:
    _say("\n| a full round of all clients, one user each | CPU-s | peak MB |\n|---|---|---|")
    for name in MODELS:
        cost = _alone(options, "round", name)
        _say(f"| {name} | {cost.seconds:.2f} | {cost.peak_mb:.0f} |")
    for name in LAYOUTS:
        cost = _alone(options, "cohort", name)
        _say(f"| {BCE.format(name)} | {cost.seconds:.2f} | {cost.peak_mb:.0f} |")


def _print_growth(options: argparse.Namespace) -> None:
    _say(
        "\n| µs for an interaction, with this share of the users | "
        + " | ".join(f"{share:.0%}" for share in SHARES)
        + " |"
    )
    _say("|---|" + "---|" * len(SHARES))
    for name, engine in {**dict.fromkeys(MODELS, "round"), **dict.fromkeys(LAYOUTS, "cohort")}.items():
        costs = [_alone(options, engine, name, share) for share in SHARES]
        label = BCE.format(name) if engine == "cohort" else name
        _say(f"| {label} | " + " | ".join(f"{cost.seconds / cost.interactions * 1e6:.2f}" for cost in costs) + " |")


def _say(line: str) -> None:
    print(line, flush=True)


def _alone(options: argparse.Namespace, only: str, name: str, share: float = 1.0) -> Cost:
    command = [sys.executable, "-m", "benchmarks.local_training", "--dataset", options.dataset]
    command += ["--seed", str(options.seed), "--only", only, "--name", name, "--share", str(share)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--data-root", str(options.data_root)],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Cost(**json.loads(done.stdout))


def _measure(options: argparse.Namespace) -> Cost:
    train = leave_one_out(load_dataset(options.dataset, options.data_root), options.seed).train
    rng = np.random.default_rng(options.seed)
    chosen = np.sort(rng.permutation(train.user_count)[: round(options.share * train.user_count)])
    train = train.take(chosen)
    if options.only == "round":
        return _cost(_round(MODELS[options.name], train, rng), train.user_count, len(train.items))
    from benchmarks.bce_clients import Problem, as_a_cohort, one_by_one, plain  # noqa: PLC0415  # torch

    problem = Problem(train, FACTORS, LAYOUTS[options.name], rng)
    if options.only == "cohort":
        return _cost(lambda: as_a_cohort(problem), train.user_count, len(train.items))
    clients = rng.permutation(train.user_count)[: CLIENTS_MEASURED[options.only]].tolist()
    engine = plain if options.only == "plain" else one_by_one
    return _cost(lambda: engine(problem, clients), len(clients), int(train.counts[clients].sum()))


def _round(model: Model, train: UserItems, rng: np.random.Generator) -> Callable[[], Any]:
    """Return one round: the fused step of all clients, and the server's."""
    cohort = Cohort(train, np.arange(train.user_count), np.ones(train.user_count))
    state = model.initial_state(train.item_count, rng)
    return lambda: model.apply(state, cohort_step(model, state, cohort))


def _cost(step: Callable[[], Any], clients: int, interactions: int) -> Cost:
    seconds = []
    for _ in range(3):
        began = time.process_time()
        step()
        seconds.append(time.process_time() - began)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return Cost(clients, interactions, median(seconds), peak_mb)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_training", description=__doc__)
    parser.add_argument("--dataset", default="ml-1m-ncf")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help=argparse.SUPPRESS)  # one figure, in a process of its own
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--share", type=float, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
