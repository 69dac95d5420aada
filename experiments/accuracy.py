"""Table 2 of T-FedRS: every method on every data set, by the same split and evaluator; Markdown, CSV and a picture.

    TFEDRS_DATA=... tfedrs experiment accuracy
    tfedrs experiment accuracy --datasets ml-latest-small-2016 --methods popularity EASE "T-FedRS, iALS" --seeds 1
    TFEDRS_DATA=... tfedrs experiment accuracy --datasets ml-1m-ncf --no-train-on-validation --factors 64 --out other

Each data set has settings of its own (`experiments.chosen_settings`), which flags override. What has been measured is
kept in accuracy.json in the folder, and only what is missing is measured when the command is called again with the same
settings. The federations are whole ones, messages, peers' scores and ledger included. A data set that cannot be ranked
has its reason in place of rows.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from common.atomic_file import write_atomically
from common.config import flag_of
from common.data.published import PUBLISHED
from experiments.accuracy_cells import ALL_METHODS, cell, missing
from experiments.accuracy_page import markdown, table_csv
from experiments.accuracy_picture import PICTURE, picture
from experiments.chosen_settings import reason_of, settings_of
from experiments.data_set_records import new_entry, read_record
from launch.run_options import data_root
from launch.workspace import git_commit

DATASETS = ("ml-latest-small-2016", "ml-100k", "ml-1m-ncf", "filmtrust", "amazon-appliances")
RECORD = "accuracy.json"
OVERRIDES = {
    "clients": int,
    "rounds": int,
    "factors": int,
    "alpha0": float,
    "regularisation": float,
    "partition": str,
    "train_on_validation": bool,
}
"""The settings that have a flag here."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the record lacks; write record, page, CSV and picture after every cell."""
    options = _parser().parse_args(arguments)
    asked = {name: getattr(options, name) for name in OVERRIDES if getattr(options, name) is not None}
    settings = {name: settings_of(name, asked) for name in options.datasets}
    record = read_record(options.out / RECORD, settings)
    for name in options.datasets:
        if record.get(name, {"refusal": "not looked at yet"})["refusal"]:  # what was missing may have come since
            record[name] = new_entry(settings[name], reason_of(name, asked), data_root(), {})
    rankable = [name for name in options.datasets if not record[name]["refusal"]]
    todo = list(missing(record, rankable, options.methods, options.seeds))
    commit = git_commit()
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(todo))
        for dataset, method, seed in todo:
            progress.update(task, description=f"{dataset}, {method}, seed {seed}")
            figures = cell(method, replace(settings[dataset], seed=seed), data_root())
            record[dataset]["cells"].setdefault(method, {})[str(seed)] = figures
            record[dataset]["commits"] = [*dict.fromkeys([*record[dataset]["commits"], commit])]
            _write(options.out, record)
            progress.advance(task)
    _write(options.out, record)
    print(markdown(record))


def _write(folder: Path, record: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    known = {name: record[name] for name in (*DATASETS, *record) if name in record}
    write_atomically(folder / RECORD, (json.dumps({"datasets": known}, indent=1) + "\n").encode())
    write_atomically(folder / "accuracy.md", markdown(known).encode())
    write_atomically(folder / "accuracy.csv", table_csv(known).encode())
    write_atomically(folder / PICTURE, picture(known))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment accuracy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=list(PUBLISHED), default=list(DATASETS), metavar="DATASET")
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, default=list(ALL_METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    chosen = "default: what was chosen for the data set"
    for name, kind in OVERRIDES.items():
        if kind is bool:
            parser.add_argument(f"--{flag_of(name)}", action=argparse.BooleanOptionalAction, help="default: with them")
        else:
            parser.add_argument(f"--{flag_of(name)}", type=kind, help=chosen)
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"), help="folder (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
