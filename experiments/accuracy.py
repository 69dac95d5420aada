"""Table 2 of T-FedRS: every method on every data set, by the same split and evaluator; Markdown, CSV and a picture.

    TFEDRS_DATA=... tfedrs experiment accuracy
    tfedrs experiment accuracy --datasets ml-latest-small-2016 --methods popularity EASE "T-FedRS, iALS" --seeds 1
    TFEDRS_DATA=... tfedrs experiment accuracy --datasets ml-1m-ncf --factors 128 --clients 10 --train-on-validation

What has been measured is kept in accuracy.json in the folder, and only what is missing is measured when the command is
called again with the same settings. The federations are whole ones, messages, peers' scores and ledger included. A data
set that cannot be ranked has its reason in place of rows.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.config import Settings
from common.data.load import load_dataset
from common.data.published import PUBLISHED
from common.errors import WrongUse
from experiments.accuracy_cells import ALL_METHODS, cell, missing, refusal
from experiments.accuracy_page import PICTURE, markdown, picture, table_csv
from launch.run_options import data_root

DATASETS = ("ml-latest-small-2016", "ml-100k", "ml-1m-ncf", "filmtrust", "amazon-appliances")
RECORD = "accuracy.json"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the record lacks; write record, page, CSV and picture after every cell."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    base = Settings(
        clients=options.clients,
        rounds=options.rounds,
        factors=options.factors,
        partition=options.partition,
        train_on_validation=options.train_on_validation,
    )
    shared = {key: value for key, value in base.to_run_config().items() if key not in ("dataset", "seed")}
    record = _record(options.out / RECORD, shared)
    settings = {name: replace(base, dataset=name) for name in options.datasets}
    for name in options.datasets:
        if name not in record:
            record[name] = _entry(settings[name])
    rankable = [name for name in options.datasets if not record[name]["refusal"]]
    todo = list(missing(record, rankable, options.methods, options.seeds))
    command = shlex.join(["tfedrs", "experiment", "accuracy", *arguments])
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(todo))
        for dataset, method, seed in todo:
            progress.update(task, description=f"{dataset}, {method}, seed {seed}")
            figures = cell(method, replace(settings[dataset], seed=seed), data_root())
            record[dataset]["cells"].setdefault(method, {})[str(seed)] = figures
            _write(options.out, shared, record, command)
            progress.advance(task)
    _write(options.out, shared, record, command)
    print(markdown(record, command))


def _entry(settings: Settings) -> dict[str, Any]:
    reason = refusal(settings, data_root())
    if reason:
        return {"refusal": reason, "about": "", "cells": {}}
    train = load_dataset(settings.dataset, data_root()).interactions
    counted = f"{train.user_count:,} users, {train.item_count:,} items, {len(train.items):,} interactions"
    return {"refusal": None, "about": f"{counted}; {settings.clients} clients, {settings.rounds} rounds.", "cells": {}}


def _record(path: Path, shared: dict[str, Any]) -> dict[str, Any]:
    """Return what was measured before, nothing where the folder is new.

    Raises:
        WrongUse: it was measured with other settings.
    """
    if not path.exists():
        return {}
    content = parse_json(path.read_bytes())
    if content["settings"] != shared:
        raise WrongUse(f"{path} was measured with other settings; choose another --out.")
    record: dict[str, Any] = content["datasets"]
    return record


def _write(folder: Path, shared: dict[str, Any], record: dict[str, Any], command: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"settings": shared, "datasets": record}, indent=1)
    write_atomically(folder / RECORD, content.encode())
    write_atomically(folder / "accuracy.md", markdown(record, command).encode())
    write_atomically(folder / "accuracy.csv", table_csv(record).encode())
    write_atomically(folder / PICTURE, picture(record))


def _parser() -> argparse.ArgumentParser:
    base = Settings()
    parser = argparse.ArgumentParser(prog="tfedrs experiment accuracy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=list(PUBLISHED), default=list(DATASETS), metavar="DATASET")
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(ALL_METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--clients", type=int, default=base.clients)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--factors", type=int, default=base.factors)
    parser.add_argument("--partition", default=base.partition)
    parser.add_argument("--train-on-validation", action="store_true", help="for final numbers of chosen settings")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"), help="folder (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
