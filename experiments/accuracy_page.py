"""The table of accuracy as Markdown and CSV, from the record of its cells."""

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from common.config import Settings
from common.metrics import CUTOFFS
from experiments.accuracy_cells import ALL_METHODS, BY_ARRAYS
from experiments.published import ML_1M_NCF, Published

INTRODUCTION = """\
Written by `tfedrs experiment accuracy --out docs` from `docs/accuracy.json`: do not edit. Every figure of every seed is
in [accuracy.csv](accuracy.csv).

Test items, mean ± standard deviation over the seeds. Every method has the same users, split, candidates and evaluator.
Each user's last item is the test item; it is ranked among 99 sampled candidates, and under *full* among the whole
catalogue. Ties count against it. MAP is MRR, as there is one held-out item.

**One rule for all**: settings were chosen on validation items, with those held out of training, and the model that is
measured here was then trained on the validation items too. The federations' settings were chosen before, and stand
under each data set; *item-kNN*, *PureSVD*, *EASE* and *ALS* choose theirs by a grid each time, which their seconds
include. Seconds are those of one thread, from loading the data to the figures; two cores had other work at the same
time, so that wall seconds are longer than alone, and CPU seconds somewhat.

*T-FedRS* is the whole system: messages, signatures, peers' scores, reputation and ledger, in one process; *central*
is the same model with all users in one place, *local only* iALS by every client itself. *FedNCF*, *Robust-FedAvg*
and *trust by accuracy* are rounds by arrays alone. **kB up** is what one client sends in one round: with T-FedRS its
message, an update as int8; with the others the update alone, not compressed (*). Methods in one place send the data."""

_NAMES = {"hit_ratio": "HR", "ndcg": "NDCG", "map": "MAP"}
_SHORT = {
    "hit_ratio_at_10": "HR@10",
    "ndcg_at_10": "NDCG@10",
    "full_ndcg_at_10": "full NDCG@10",
    "cpu_seconds": "CPU s",
    "bytes_up": "kB up",
}
_COSTS = {"wall_seconds": "wall s", "cpu_seconds": "CPU s", "bytes_up": "kB up", "bytes_down": "kB down"}
_UNITS = {"wall_seconds": 1.0, "cpu_seconds": 1.0, "bytes_up": 1e3, "bytes_down": 1e3}
_PUBLISHED = {"ml-1m-ncf": ML_1M_NCF}
"""By data set, where others measured by the same test items and candidates."""
_NOT_OURS = (
    "Published by others for MovieLens-1M, each user's last item among 99 sampled ones, **not measured here**; He et "
    "al., Dacrema et al. and Rendle et al. have the test items and candidates of this table:"
)
_DEFAULTS = Settings().to_run_config()


def markdown(record: Mapping[str, Any]) -> str:
    """Return the page: for each data set a short table, and all the rest folded below it."""
    parts = ["# Accuracy, method by method", INTRODUCTION]
    if any(entry["cells"] for entry in record.values()):
        parts.append("![NDCG@10 of every method on every data set](accuracy.png)")
    for dataset, entry in record.items():
        parts.append(f"## {dataset}")
        parts += [f"No row: {entry['refusal']}"] if entry["refusal"] else _section(dataset, entry)
    return "\n\n".join(parts) + "\n"


def table_csv(record: Mapping[str, Any]) -> str:
    """Return one line for each data set, method, seed and figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["dataset", "method", "seed", "figure", "value"])
    for dataset, entry in record.items():
        for method in _ordered(entry["cells"]):
            for seed, figures in entry["cells"][method].items():
                writer.writerows([dataset, method, seed, name, f"{value:.6g}"] for name, value in figures.items())
    return out.getvalue()


def values(figures: Mapping[str, Mapping[str, float]], name: str) -> list[float]:
    """Return one figure of a method, for each seed that has it."""
    return [figures[seed][name] for seed in sorted(figures, key=int) if name in figures[seed]]


def mean_and_spread(figures: Sequence[float]) -> tuple[float, float] | None:
    """Return the mean and the standard deviation, 0 for a single figure; None where there is none."""
    if not figures:
        return None
    return mean(figures), stdev(figures) if len(figures) > 1 else 0.0


def _section(dataset: str, entry: Mapping[str, Any]) -> list[str]:
    cells = entry["cells"]
    seeds = sorted({seed for figures in cells.values() for seed in figures}, key=int)
    made = f"Seeds {' '.join(seeds)}, commits {', '.join(commit[:7] for commit in entry['commits'])}."
    parts = [f"{entry['about']}. Settings: {_settings(entry['settings'])}. {entry['reason']}", made]
    parts.append(_table(cells, _SHORT, len(seeds)))
    if dataset in _PUBLISHED:
        parts.append(_NOT_OURS)
        parts.append(_published(_PUBLISHED[dataset]))
    parts.append("<details><summary>At 5, 10 and 20, with MAP and all costs</summary>")
    for prefix, title in (("", "Among 99 sampled candidates:"), ("full_", "Among the whole catalogue:")):
        columns = {f"{prefix}{key}_at_{k}": f"{name}@{k}" for key, name in _NAMES.items() for k in CUTOFFS}
        parts += [title, _table(cells, columns, len(seeds))]
    parts.append("Cost, of all rounds; kB for one client and round, those of its work as a peer included:")
    return [*parts, _table(cells, _COSTS, len(seeds)), "</details>"]


def _settings(settings: Mapping[str, Any]) -> str:
    """Say what the rounds were made with: three settings always, others where they are not the defaults."""
    always = ("clients", "rounds", "factors")
    rest = [key for key, value in settings.items() if key not in always and value != _DEFAULTS.get(key)]
    return ", ".join(f"{key} {str(settings[key]).lower()}" for key in (*always, *rest))


def _table(cells: Mapping[str, Any], columns: Mapping[str, str], seeds: int) -> str:
    lines = [f"| method | {' | '.join(columns.values())} |", f"|{'---|' * (len(columns) + 1)}"]
    for method in _ordered(cells):
        label = f"**{method}**" if method.startswith("T-FedRS") else method
        if len(cells[method]) < seeds:
            label += f" (seed {' '.join(sorted(cells[method], key=int))})"
        row = [_cell(method, values(cells[method], key), key) for key in columns]
        lines.append(f"| {label} | {' | '.join(row)} |")
    return "\n".join(lines)


def _cell(method: str, figures: Sequence[float], key: str) -> str:
    shown = mean_and_spread(figures)
    if shown is None:
        return ""
    if key in _UNITS:
        star = "*" if key.startswith("bytes") and method in BY_ARRAYS else ""
        return f"{shown[0] / _UNITS[key]:,.{0 if shown[0] >= 10 * _UNITS[key] else 1}f}{star}"
    return f"{shown[0]:.4f}" + (f" ± {shown[1]:.4f}" if len(figures) > 1 else "")


def _published(rows: Sequence[Published]) -> str:
    lines = ["| method | HR@10 | NDCG@10 | by |", "|---|---|---|---|"]
    for row in rows:
        hit_ratio, ndcg = ("" if one is None else f"{one:.3f}" for one in (row.hit_ratio_at_10, row.ndcg_at_10))
        lines.append(f"| {row.method} | {hit_ratio} | {ndcg} | {row.source} |")
    return "\n".join(lines)


def _ordered(cells: Mapping[str, Any]) -> list[str]:
    return [method for method in ALL_METHODS if method in cells]
