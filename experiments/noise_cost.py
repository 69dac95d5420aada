"""What noise costs: the same federation with more and more of it, beside the epsilon that it buys.

    tfedrs experiment noise-cost --seeds 1 2 3

Clients with an epsilon keep their metrics to themselves, so the last model is measured here, by somebody who holds all
data: a figure that no participant of a real run has.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rich.console import Console

from common.config import Settings
from common.models import model_of
from common.update import decode_model
from experiments.baselines.array_rounds import measure
from experiments.baselines.popularity import popularity
from launch.commands.simulate import simulate
from launch.preparation import prepare_data
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions, data_root
from server.run_folder import RunFolder

_GAUSSIAN = {"noise": "gaussian", "withhold_metrics": True, "clipping_norm": 50.0, "factors": 16}
_DP_SGD = {
    "model": "ncf",
    "variant": "gmf",
    "factors": 8,
    "warm_start_rounds": 0,
    "noise": "dp-sgd",
    "withhold_metrics": True,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "GMF, DP-SGD, next to no noise": {**_DP_SGD, "noise_multiplier": 0.001},
    "GMF, DP-SGD, multiplier 3.3": {**_DP_SGD, "noise_multiplier": 3.3},
    "GMF, DP-SGD, multiplier 6": {**_DP_SGD, "noise_multiplier": 6.0},
    "iALS, no noise": {"factors": 16},
    "iALS, Gaussian, multiplier 0.001": {**_GAUSSIAN, "noise_multiplier": 0.001},
    "iALS, Gaussian, multiplier 0.01": {**_GAUSSIAN, "noise_multiplier": 0.01},
    "iALS, Gaussian, multiplier 0.1": {**_GAUSSIAN, "noise_multiplier": 0.1},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(prog="tfedrs experiment noise-cost", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    print(f"bundled data, {options.clients} clients, {options.rounds} rounds, seeds {options.seeds}, test items\n")
    print("| training | epsilon (unit) | HR@10 | NDCG@10 | full NDCG@10 |\n|---|---|---|---|---|")
    splits = [prepare_data(Settings(seed=seed, clients=options.clients), None).split for seed in options.seeds]
    floor = [popularity(split).test.metrics for split in splits]
    print(f"| popularity, not private | none | {_cells(floor)} |", flush=True)
    for name, overrides in VARIANTS.items():
        shared = {"clients": options.clients, "rounds": options.rounds}
        measured = [measured_by_all(Settings(seed=seed, **shared, **overrides)) for seed in options.seeds]
        print(f"| {name} | {_claim(measured[0][1])} | {_cells([one[0] for one in measured])} |", flush=True)


def measured_by_all(settings: Settings) -> tuple[dict[str, float], Mapping[str, Any]]:
    """Run a simulation; return the last model's test metrics over all users, and the run's privacy statement."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        options = RunOptions(out=run, chain=MEMORY, account_dir=None, deployment=None, data_root=data_root())
        report = simulate(settings, options, Console(stderr=True, quiet=True))
        state = decode_model(RunFolder(run).get_object(report["rounds"][-1]["model"])).arrays
    split = prepare_data(settings, data_root()).split
    model = model_of(settings)
    return measure(model, state, model.fold_in(state, split.train), split).test.metrics, report["privacy"]


def _cells(measured: Sequence[Mapping[str, float]]) -> str:
    keys = ("hit_ratio_at_10", "ndcg_at_10", "full_ndcg_at_10")
    return " | ".join(f"{mean(one[key] for one in measured):.4f}" for key in keys)


def _claim(privacy: Mapping[str, Any]) -> str:
    if privacy["reason"] is not None:
        return "none"
    return f"{privacy['epsilon_committee']:.3g} ({privacy['unit']}, {privacy['adjacency']}, delta {privacy['delta']:g})"


if __name__ == "__main__":
    main()
