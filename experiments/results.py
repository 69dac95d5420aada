"""Every model on the bundled data and on MovieLens-1M, beside what others published: writes docs/results.md.

    TFEDRS_DATA=... tfedrs experiment results               # all cases, about an hour and a half on one core
    tfedrs experiment results --cases bundled-ials          # one of them anew; the others stay
    tfedrs experiment results --list

A case is a whole federation by `tfedrs simulate`'s own code (messages, signatures, peers' scores, reputation, ledger in
memory), with the same model trained centrally and by every client alone. Settings were chosen on validation items
before; what is printed are the test items. The figures of each seed are kept in docs/results.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.atomic_file import write_atomically
from common.config import Settings, flag_of
from common.rating_metrics import with_rmse
from experiments.baselines.methods import METHODS
from experiments.baselines.task import Task
from experiments.results_page import render
from experiments.whole_federation import federated
from launch.run_options import data_root
from launch.workspace import git_commit

ROOT = Path(__file__).resolve().parent.parent
RECORD, PAGE = ROOT / "docs" / "results.json", ROOT / "docs" / "results.md"

INTRODUCTION = """\
Written by `tfedrs experiment results` from `docs/results.json`, which holds every seed's figures: do not edit.

Leave-one-out: each user's last item is the test item, the one before it the validation item. HR and NDCG at 10 rank the
test item among 99 sampled candidates; the columns `full` rank it among the whole catalogue. Ties count against it.
Training never looks at held-out items. RMSE and MAE are those of the held-out ratings, with predictions cut to the
rating range. *Federated* is the whole system, weights earned by reputation; *central* is the same model with all users
in one place; *local only* is every client by itself. Published figures stand first, with their source: they were not
measured here. Other methods, other data sets and what each costs: [accuracy, method by method](accuracy.md)."""


@dataclass(frozen=True)
class Case:
    """One table.

    Attributes:
        title: Its headline.
        settings: What differs from the defaults.
        note: What a reader must know to compare.
        published: Whether the published figures for the NCF split belong beside it.
    """

    title: str
    settings: dict[str, Any]
    note: str
    published: bool = False
    seeds: tuple[int, ...] = field(default=(1, 2, 3))


_ML_1M = {"dataset": "ml-1m-ncf", "clients": 10, "factors": 128, "train_on_validation": True}
_SAME_SPLIT = (
    "The NCF paper's own test items and candidates, which the published figures share. Validation items are in "
    "training, as in the last run of a chosen setting."
)

CASES = {
    "bundled-ials": Case("Bundled MovieLens, iALS", {}, "671 users, 9,066 items, five clients."),
    "bundled-fused": Case(
        "Bundled MovieLens, NCF: GMF beside iALS",
        {"model": "ncf", "rounds": 8},
        "What `--model ncf` trains without further flags.",
    ),
    "bundled-ncf": Case(
        "Bundled MovieLens, NCF: NeuMF",
        {"model": "ncf", "variant": "neumf", "rounds": 8},
        "From scratch.",
    ),
    "bundled-mf": Case(
        "Bundled MovieLens, matrix factorization of ratings",
        {"model": "mf", "rounds": 8},
        "Trained on how many stars, not on what was rated: RMSE and MAE are what it is for, in stars.",
    ),
    "ml-1m-ials": Case(
        "MovieLens-1M, NCF split, iALS", {**_ML_1M, "rounds": 8}, f"6,040 users, 3,706 items. {_SAME_SPLIT}", True
    ),
    "ml-1m-fused": Case(
        "MovieLens-1M, NCF split, NCF: GMF beside iALS",
        {**_ML_1M, "model": "ncf", "rounds": 10},
        f"What `--model ncf` trains without further flags. {_SAME_SPLIT}",
        True,
    ),
    "ml-1m-mf": Case(
        "MovieLens-1M, NCF split, matrix factorization of ratings",
        {**_ML_1M, "model": "mf", "factors": 64, "rounds": 8},
        "RMSE and MAE of the NCF split's test items, in stars. Published RMSE are for random splits, which are easier "
        "than each user's last rating: none is comparable.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cases that were asked for, keep their figures, and write the page."""
    options = _parser().parse_args(arguments)
    if options.list:
        for name, case in CASES.items():
            print(f"{name:14s} {case.title}")
        return
    record: dict[str, Any] = json.loads(RECORD.read_bytes()) if RECORD.exists() else {"cases": {}}
    for name in options.cases or CASES:
        record["cases"][name] = measure(name, CASES[name])
        record["cases"] = {known: record["cases"][known] for known in CASES if known in record["cases"]}
        write_atomically(RECORD, (json.dumps(record, indent=1) + "\n").encode())
        write_atomically(PAGE, render(record, INTRODUCTION).encode())


def measure(name: str, case: Case) -> dict[str, Any]:
    """Run one case, every seed, and return its entry of the record."""
    measured: dict[str, dict[str, list[float]]] = {}
    for seed in case.seeds:
        began = time.monotonic()
        for method, figures in methods(Settings(**case.settings, seed=seed)).items():
            for metric, value in figures.items():
                measured.setdefault(method, {}).setdefault(metric, []).append(value)
        print(f"{name}, seed {seed}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    described = {key: value for key, value in asdict(case).items() if key in ("title", "note", "published")}
    return described | {
        "command": f"tfedrs experiment results --cases {name}",
        "settings": {flag_of(key): value for key, value in case.settings.items()},
        "seeds": list(case.seeds),
        "commit": git_commit(),
        "measured": measured,
    }


def methods(settings: Settings) -> dict[str, dict[str, float]]:
    """Return the test metrics of the federation and of its comparisons, for one seed."""
    root = data_root()
    task = Task.of(settings, root)

    def measured(method: str) -> dict[str, float]:
        return with_rmse(METHODS[method](task).test.metrics)

    return {
        "popularity": measured("popularity"),
        "local only": measured("local only"),
        "**federated, by reputation**": federated(settings, root)["final"],
        "central": measured("central"),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment results", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=list(CASES), metavar="CASE", help="default: all, see --list")
    parser.add_argument("--list", action="store_true", help="name the cases and do nothing")
    return parser


if __name__ == "__main__":
    main()
