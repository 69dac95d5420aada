"""The benchmark as pictures: T-FedRS's Figure 3, and how accuracy and exposure went from round to round."""

import io
from collections.abc import Callable, Sequence
from math import ceil
from statistics import fmean, stdev
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from experiments.defences.table import OURS, UNDEFENDED, title
from experiments.robustness_figures import Cell, Figures

_COLOURS = {UNDEFENDED: "#000000", OURS: "#0072B2"}
_OTHERS = ("#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#999933", "#AA4499", "#888888")
_MOST_COLUMNS = 4


def share_picture(figures: Figures) -> bytes:
    """Return Figure 3 as a PNG: NDCG@10 against the share of malicious clients, a panel for each attack."""

    def draw(panel: Any, attack: str, defence: str, style: dict[str, Any]) -> None:
        values = [figures.values(attack, defence, beta, _ndcg) for beta in figures.betas]
        points = [
            (100 * beta, fmean(one), stdev(one) if len(one) > 1 else 0.0)
            for beta, one in zip(figures.betas, values, strict=True)
            if one
        ]
        if points:
            x, y, spread = zip(*points, strict=True)
            panel.errorbar(x, y, yerr=spread, marker="o", markersize=4, capsize=2, **style)

    panels = [("NDCG@10", attack, draw) for attack in figures.attacks]
    return _grid(figures, panels, "share of malicious clients in %")


def curves_picture(figures: Figures) -> bytes:
    """Return a PNG of the greatest share: for each attack NDCG@10 and ER@10 after each round, means over seeds."""
    most = figures.most or 0.0

    def ndcg(panel: Any, attack: str, defence: str, style: dict[str, Any]) -> None:
        courses = [cell["curves"]["ndcg_at_10"] for cell in figures.cells(attack, defence, most)]
        if courses:
            panel.plot(range(1, len(courses[0]) + 1), _means(courses), **style)
            panel.set_xlim(0, len(courses[0]) + 1)

    def exposed(panel: Any, attack: str, defence: str, style: dict[str, Any]) -> None:
        curves = [cell["curves"] for cell in figures.cells(attack, defence, most)]
        if curves:
            rounds = curves[0]["exposure_rounds"]
            panel.plot(rounds, _means([one["exposure"]["10"] for one in curves]), marker=".", **style)
            panel.set_xlim(0, rounds[-1] + 1)

    panels = [("NDCG@10", attack, ndcg) for attack in figures.attacks]
    panels += [("ER@10", attack, exposed) for attack in figures.attacks if figures.targeted(attack)]
    return _grid(figures, panels, f"round, at beta {most:g}")


Draw = Callable[[Any, str, str, dict[str, Any]], None]
"""Draws an attack and a defence, in a style, on a panel."""


def _grid(figures: Figures, panels: Sequence[tuple[str, str, Draw]], by: str) -> bytes:
    """Draw a panel for each metric and attack; all panels of a metric have the same scale."""
    columns = min(_MOST_COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    figure = Figure(figsize=(1.2 + 2.7 * max(columns, 2), 1.4 + 2.1 * rows), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    drawn: dict[str, Any] = {}
    for place, (metric, attack, draw) in enumerate(panels, 1):
        panel = drawn[metric] = figure.add_subplot(rows, columns, place, sharey=drawn.get(metric))
        for defence in figures.defences:
            draw(panel, attack, defence, _style(defence, figures.defences))
        panel.set_title(f"{attack}: {metric}", fontsize=9)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.grid(alpha=0.3)
    legend = [Line2D([], [], **_style(name, figures.defences)) for name in figures.defences]
    figure.legend(handles=legend, loc="outside lower center", ncols=min(4, len(legend)), frameon=False, fontsize=9)
    figure.suptitle(f"{figures.dataset}, by {by}", fontsize=10)
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _style(defence: str, defences: Sequence[str]) -> dict[str, Any]:
    others = [name for name in defences if name not in _COLOURS]
    colour = _COLOURS.get(defence) or _OTHERS[others.index(defence) % len(_OTHERS)]
    return {
        "color": colour,
        "label": title(defence),
        "linewidth": 2.2 if defence == OURS else 1.3,
        "linestyle": "--" if defence == UNDEFENDED else "-",
        "zorder": 3 if defence == OURS else 2,
    }


def _ndcg(cell: Cell) -> float:
    return float(cell["final"]["ndcg_at_10"])


def _means(courses: Sequence[Sequence[float | None]]) -> list[float]:
    """Return the mean over the seeds after each round; NaN, a gap in the line, where a seed has no figure."""
    return [
        float("nan") if None in at else fmean(one for one in at if one is not None)
        for at in zip(*courses, strict=False)
    ]
