"""The table of accuracy as a picture: a panel for each data set, the same methods in the same order in all of them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.accuracy_cells import ALL_METHODS
from experiments.accuracy_page import mean_and_spread, values

_OURS, _OTHERS = "#0072B2", "#B0B0B0"
PICTURE = "accuracy.png"


def picture(record: Mapping[str, Any]) -> bytes:
    """Return a PNG: NDCG@10 of every method, with its spread."""
    shown = {dataset: entry["cells"] for dataset, entry in record.items() if entry["cells"]}
    methods = [method for method in reversed(ALL_METHODS) if any(method in cells for cells in shown.values())]
    figure = Figure(figsize=(3.0 + 2.4 * max(1, len(shown)), 1.2 + 0.24 * len(methods)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, max(1, len(shown)), sharey=True))
    colours = [_OURS if method.startswith("T-FedRS") else _OTHERS for method in methods]
    for panel, (dataset, cells) in zip(panels, shown.items(), strict=False):
        bars = [mean_and_spread(values(cells.get(method, {}), "ndcg_at_10")) or (0.0, 0.0) for method in methods]
        means, spreads = zip(*bars, strict=True)
        panel.barh(methods, means, xerr=spreads, color=colours)
        panel.set_title(dataset)
        panel.grid(axis="x", alpha=0.3)
        panel.set_axisbelow(True)
    figure.supxlabel("NDCG@10 among 99 sampled candidates")
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()
