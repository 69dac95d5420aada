"""How accurate the federation is, beside popularity, every client alone, and the same model trained centrally.

    tfedrs experiment accuracy --seeds 1 2 3
    tfedrs experiment accuracy --dataset ml-1m-ncf --clients 100 --rounds 8 --factors 128 --train-on-validation

The federation is the whole of it: messages, signatures, peers' scores, reputation, ledger (in memory), by
`tfedrs simulate`'s own code. Settings are chosen on validation (`experiments.federated_reference`); the test columns
are printed for the chosen ones.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.console import Console

from common.config import Settings, flag_of
from common.models import model_of
from common.rating_metrics import with_rmse
from common.seeding import generator
from experiments.baselines.array_rounds import Measured
from experiments.baselines.central import central
from experiments.baselines.local_only import local_only
from experiments.baselines.popularity import popularity
from launch.commands.simulate import simulate
from launch.preparation import prepare_data
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions, data_root

COLUMNS = {
    "hit_ratio_at_10": "HR@10",
    "ndcg_at_10": "NDCG@10",
    "full_hit_ratio_at_10": "full HR@10",
    "full_ndcg_at_10": "full NDCG@10",
}
RATING_COLUMNS = {"rmse": "RMSE", "mae": "MAE"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each method, mean and standard deviation over the seeds."""
    options = _parser().parse_args(arguments)
    overrides = {entry.name: getattr(options, entry.name) for entry in fields(Settings) if entry.name != "seed"}
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in options.seeds:
        settings = Settings(seed=seed, **overrides)
        for method, figures in methods(settings).items():
            rows.setdefault(method, []).append(figures)
    print(
        f"{settings.dataset}, {settings.clients} clients, {settings.rounds} rounds, {settings.factors} factors, ",
        end="",
    )
    print(f"seeds {' '.join(map(str, options.seeds))}, test items\n")
    columns = (RATING_COLUMNS if settings.model == "mf" else {}) | COLUMNS
    print(f"| method | {' | '.join(columns.values())} |\n|{'---|' * (1 + len(columns))}")
    for method, measured in rows.items():
        cells = [_cell([figures[column] for figures in measured if column in figures]) for column in columns]
        print(f"| {method} | {' | '.join(cells)} |")


def methods(settings: Settings) -> dict[str, dict[str, float]]:
    """Return the test metrics of the federation and of its comparisons, for one seed."""
    root = data_root()
    data = prepare_data(settings, root)
    model = model_of(settings)

    def rng() -> Any:
        return generator(settings.seed, "initial-model")

    return {
        "popularity": _test(popularity(data.split)),
        "local only": _test(local_only(model, data.split, data.parts, settings.rounds, rng())),
        "**federated, by reputation**": federated(settings, root)["final"],
        "central": _test(central(model, data.split, settings.rounds, rng())),
    }


def federated(settings: Settings, root: Path | None) -> dict[str, Any]:
    """Run a simulation in a temporary folder and return its report."""
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(out=Path(folder) / "run", chain=MEMORY, account_dir=None, deployment=None, data_root=root)
        return simulate(settings, options, Console(stderr=True, quiet=True))


def _test(measured: Measured) -> dict[str, float]:
    return with_rmse(measured.test.metrics)


def _cell(values: list[float]) -> str:
    if not values:
        return ""  # popularity predicts no ratings
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    return f"{mean(values):.4f}{spread}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment accuracy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    for entry in fields(Settings):
        if entry.name == "seed":
            continue
        flag = f"--{flag_of(entry.name)}"
        if isinstance(entry.default, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(entry.default), default=entry.default)
    return parser


if __name__ == "__main__":
    main()
