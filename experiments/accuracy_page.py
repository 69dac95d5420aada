"""The table of accuracy as Markdown, CSV and a picture, from the record of its cells."""

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from common.metrics import CUTOFFS
from experiments.accuracy_cells import ALL_METHODS

_NAMES = {"hit_ratio": "HR", "ndcg": "NDCG", "map": "MAP"}
_OURS, _OTHERS = "#0072B2", "#B0B0B0"
PICTURE = "accuracy.png"


def markdown(record: Mapping[str, Any], command: str) -> str:
    """Return the page: for each data set its ranking among sampled candidates and among the catalogue, and the cost."""
    parts = [
        "# Accuracy, method by method",
        "Test items, mean ± standard deviation over the seeds; MAP is MRR, as there is one held-out item. Every method "
        "has the same split, candidates and evaluator, and ties count against the held-out item. Baselines choose "
        "their settings on validation items; the federations' were chosen there before.",
        f"`{command}`",
        f"![NDCG@10 of every method on every data set]({PICTURE})",
    ]
    for dataset, entry in record.items():
        parts.append(f"## {dataset}")
        if entry["refusal"]:
            parts.append(f"No row: {entry['refusal']}")
            continue
        parts.append(entry["about"])
        for prefix, title in (("", "among 99 sampled candidates"), ("full_", "on the full catalogue")):
            columns = {f"{prefix}{key}_at_{k}": f"{name}@{k}" for key, name in _NAMES.items() for k in CUTOFFS}
            parts += [f"**{title}**", _table(entry["cells"], columns)]
        costs = {"wall_seconds": "wall s", "cpu_seconds": "CPU s", "bytes_up": "bytes up", "bytes_down": "bytes down"}
        parts += ["**cost**: of all rounds, and bytes for one client and round", _table(entry["cells"], costs, 1)]
    return "\n\n".join(parts) + "\n"


def table_csv(record: Mapping[str, Any]) -> str:
    """Return one line for each data set, method, seed and figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["dataset", "method", "seed", "figure", "value"])
    for dataset, entry in record.items():
        for method in _ordered(entry["cells"]):
            for seed, figures in entry["cells"][method].items():
                writer.writerows([dataset, method, seed, name, value] for name, value in figures.items())
    return out.getvalue()


def picture(record: Mapping[str, Any]) -> bytes:
    """Return a PNG with a panel for each data set: NDCG@10 of every method, least first, with its spread."""
    shown = {dataset: entry["cells"] for dataset, entry in record.items() if entry["cells"]}
    height = 1.2 + 0.28 * max((len(cells) for cells in shown.values()), default=1)
    figure = Figure(figsize=(6.2 * max(1, len(shown)), height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, max(1, len(shown))))
    for panel, (dataset, cells) in zip(panels, shown.items(), strict=False):
        means = {method: _values(figures, "ndcg_at_10") for method, figures in cells.items()}
        order = sorted(means, key=lambda method: mean(means[method]))
        spread = [stdev(means[method]) if len(means[method]) > 1 else 0.0 for method in order]
        colours = [_OURS if method.startswith("T-FedRS") else _OTHERS for method in order]
        panel.barh(order, [mean(means[method]) for method in order], xerr=spread, color=colours)
        panel.set_title(dataset)
        panel.set_xlabel("NDCG@10 among 99 sampled candidates")
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _table(cells: Mapping[str, Any], columns: Mapping[str, str], digits: int = 4) -> str:
    lines = [f"| method | {' | '.join(columns.values())} |", f"|{'---|' * (len(columns) + 1)}"]
    for method in _ordered(cells):
        row = [_cell(_values(cells[method], column), digits) for column in columns]
        label = f"**{method}**" if method.startswith("T-FedRS") else method
        lines.append(f"| {label} | {' | '.join(row)} |")
    return "\n".join(lines)


def _values(figures: Mapping[str, Mapping[str, float]], column: str) -> list[float]:
    return [figures[seed][column] for seed in sorted(figures, key=int) if column in figures[seed]]


def _cell(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 and digits > 1 else ""
    return f"{mean(values):,.{digits}f}{spread}"


def _ordered(cells: Mapping[str, Any]) -> list[str]:
    return [method for method in ALL_METHODS if method in cells]
