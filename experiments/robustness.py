"""Attacks against defences: Table 3 and Figure 3 of T-FedRS, exposure of pushed items, trust, and where ours loses.

    tfedrs experiment robustness --quick
    TFEDRS_DATA=... tfedrs experiment robustness --defences none ours --betas 0 0.4 --seeds 1 2 3 --workers 2
    TFEDRS_DATA=... tfedrs experiment robustness --attacks adaptive --rounds 100 --curve-every 10 --out other

What has been measured is kept in robustness.json in the folder, and only what is missing is measured when the command
is called again with the same settings. Every cell is a whole federation, played in a process of its own.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from common.atomic_file import write_atomically
from common.config import MODELS, PARTITIONS, VARIANTS, Settings, flag_of
from common.data.published import PUBLISHED
from common.errors import WrongUse
from experiments.attacks.suite import ATTACKS
from experiments.chosen_settings import reason_of, settings_of
from experiments.data_set_records import new_entry, read_record
from experiments.defences.table import DEFENCES, OURS, UNDEFENDED
from experiments.robustness_cells import Key, key_of, wanted
from experiments.robustness_page import markdown, pictures_of, table_csv
from experiments.robustness_summary import summary
from experiments.robustness_workers import Job, measured, processes
from launch.run_options import data_root
from launch.workspace import git_commit

RECORD = "robustness.json"
COMMON: dict[str, Any] = {"clients": 50, "rounds": 10, "factors": 64}
"""What differs from `experiments.chosen_settings`: the paper's attackers are shares of many clients."""
SHARDS: dict[str, dict[str, Any]] = {"ml-1m-ncf": {"probe_shards": 28}}
"""What a tenth of a data set's users fills, where that is more than the seats of a committee: their histories are what
is publicly known of an item, and the more there are, the less a push can claim."""
OVERRIDES: dict[str, Any] = {"model": MODELS, "variant": VARIANTS, "partition": PARTITIONS} | dict.fromkeys(
    (*COMMON, "probe_shards"), int
)
"""The settings that have a flag here: their choices, or their kind."""
DEFAULTS: dict[str, Any] = {
    "datasets": ["ml-1m-ncf"],
    "attacks": list(ATTACKS),
    "defences": list(DEFENCES),
    "betas": [0.0, 0.1, 0.2, 0.3, 0.4],
    "seeds": [1, 2, 3],
    "curve_every": 5,
}
QUICK: dict[str, Any] = {
    "datasets": ["ml-latest-small-2016"],
    "attacks": ["push-boost-10", "shilling-bandwagon", "label-flip", "sign-flip-1", "free-rider-zero", "adaptive"],
    "defences": [UNDEFENDED, OURS],
    "betas": [0.0, 0.4],
    "seeds": [1],
    "curve_every": 4,
    "clients": 20,
    "rounds": 8,
    "factors": 32,
}
"""What --quick stands for; other flags go before it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the record lacks; write record, page and CSV after every cell, and the pictures at the end."""
    options = _options(arguments)
    flags = {name: getattr(options, name) for name in OVERRIDES if getattr(options, name) is not None}
    asked = {name: COMMON | SHARDS.get(name, {}) | flags for name in options.datasets}
    settings = {name: settings_of(name, asked[name]) for name in options.datasets}
    record = read_record(options.out / RECORD, settings)
    for name in options.datasets:
        if record.get(name, {"refusal": "not looked at yet"})["refusal"]:
            record[name] = new_entry(settings[name], reason_of(name, asked[name]), data_root(), [])
        record[name]["refused"] = []
    keys = wanted(
        [name for name in options.datasets if not record[name]["refusal"]],
        options.attacks,
        options.defences,
        options.betas,
        options.seeds,
    )
    there = {key_of(cell) for entry in record.values() for cell in entry["cells"]}
    with _run_folders(options.out if options.keep_runs else None) as runs:
        jobs = [_job(key, settings[key.dataset], runs, options) for key in keys if key not in there]
        _measure(jobs, processes(options.workers), record, options.out)
    _write(options.out, record)
    for name, picture in pictures_of(record).items():
        write_atomically(options.out / name, picture)
    print(markdown(record))
    print(summary(record))


def _measure(jobs: Sequence[Job], pool: Executor, record: dict[str, Any], out: Path) -> None:
    """Fill the record; an attack that makes no sense for a model has its sentence in place of cells.

    Raises:
        Exception: whatever a cell raised, once all others are measured.
    """
    commit, failed = git_commit(), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("rounds,"))
    times = (TimeElapsedColumn(), TextColumn("gone,"), TimeRemainingColumn(), TextColumn("left"))
    # what a round takes is known from all rounds so far, not from those of the last half minute
    with Progress(*columns, *times, console=Console(stderr=True), speed_estimate_period=1e9) as progress:
        task = progress.add_task("", total=sum(job.settings.rounds for job in jobs))
        unfinished = sum(job.settings.rounds for job in jobs)

        def look(ended: int, waiting: Sequence[Job]) -> None:
            left = sum(job.settings.rounds - job.rounds_played for job in waiting)
            progress.update(task, completed=unfinished - left, description=f"{ended} of {len(jobs)} cells,")

        for job, result in measured(jobs, pool, look):
            entry = record[job.key.dataset]
            error = result.exception()
            if isinstance(error, WrongUse):
                entry["refused"] = [*dict.fromkeys([*entry["refused"], f"{job.key.attack}: {error}"])]
            elif error is not None:
                error.add_note(f"This was the cell {job.key}.")
                failed.append(error)
            else:
                entry["cells"].append(result.result())
                entry["commits"] = [*dict.fromkeys([*entry["commits"], commit])]
            _write(out, record)
    if failed:
        raise failed[0]


def _job(key: Key, settings: Settings, runs: Path, options: argparse.Namespace) -> Job:
    folder = runs / key.folder
    if folder.exists():
        shutil.rmtree(folder)  # a run that was kept, but cut short: its cell is not in the record
    return Job(key, settings, data_root(), folder, options.curve_every, options.keep_runs)


@contextmanager
def _run_folders(kept_in: Path | None) -> Iterator[Path]:
    """Yield the folder of the run folders: a temporary one, unless they are kept."""
    if kept_in is not None:
        yield kept_in / "runs"
        return
    with tempfile.TemporaryDirectory(prefix="tfedrs-robustness-") as folder:
        yield Path(folder)


def _write(folder: Path, record: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in record.values():
        entry["cells"].sort(key=_place)
    write_atomically(folder / RECORD, (json.dumps({"datasets": record}, allow_nan=False) + "\n").encode())
    write_atomically(folder / "robustness.md", markdown(record).encode())
    write_atomically(folder / "robustness.csv", table_csv(record).encode())


def _place(cell: dict[str, Any]) -> tuple[Any, ...]:
    """Order cells as the tables are, whatever order they ended in; what is no longer in a table comes last."""
    key, attacks, defences = key_of(cell), list(ATTACKS), list(DEFENCES)
    attack = attacks.index(key.attack) if key.attack in attacks else len(attacks)
    defence = defences.index(key.defence) if key.defence in defences else len(defences)
    return bool(key.beta), attack, key.attack, key.beta, defence, key.defence, key.seed


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    for name, value in (DEFAULTS | QUICK if options.quick else DEFAULTS).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for beta in options.betas:
        if not 0 <= beta < 1:
            raise WrongUse(f"--betas are shares of the clients, from 0 to below 1, not {beta:g}.")
    for name in ("workers", "curve_every"):
        if getattr(options, name) < 1:
            raise WrongUse(f"--{flag_of(name)} must be at least 1, not {getattr(options, name)}.")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment robustness", description=(__doc__ or "").splitlines()[0])
    quick = f"{QUICK['datasets'][0]}, {QUICK['clients']} clients, {len(QUICK['attacks'])} attacks, under 10 minutes"
    parser.add_argument("--quick", action="store_true", help=quick)
    for name, choices in (("datasets", PUBLISHED), ("attacks", ATTACKS), ("defences", DEFENCES)):
        metavar = name[:-1].upper()
        known = f"of {', '.join(choices)}; default: {_shown(DEFAULTS[name], choices)}"
        parser.add_argument(f"--{name}", nargs="+", choices=list(choices), metavar=metavar, help=known)
    for name, kind, what in (
        ("betas", float, "shares of the clients that are malicious"),
        ("seeds", int, "of the runs"),
    ):
        parser.add_argument(f"--{name}", type=kind, nargs="+", help=f"{what}; default: {_shown(DEFAULTS[name], ())}")
    for name, kind in OVERRIDES.items():
        limits: dict[str, Any] = {"type": int} if kind is int else {"choices": kind}
        parser.add_argument(f"--{flag_of(name)}", help=f"default: {COMMON.get(name, 'as a run has it')}", **limits)
    parser.add_argument("--curve-every", type=int, metavar="ROUNDS", help="measure exposure after every so many rounds")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each (%(default)s)")
    parser.add_argument(
        "--keep-runs", action="store_true", help="leave the run folders in the folder, for tfedrs verify"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/robustness"), help="folder (%(default)s)")
    return parser


def _shown(values: Sequence[object], choices: Any) -> str:
    return "all" if list(values) == list(choices) else " ".join(map(str, values))


if __name__ == "__main__":
    main()
