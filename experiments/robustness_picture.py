"""The benchmark as pictures: T-FedRS's Figure 3, and how accuracy and exposure went from round to round."""

import io
from collections.abc import Callable, Sequence
from math import ceil
from statistics import fmean, stdev
from typing import Any

import numpy as np
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

    return _grid(figures, [("NDCG@10", draw)], "malicious clients, %", from_zero=True)


def curves_picture(figures: Figures) -> bytes:
    """Return a PNG of the greatest share: for each attack NDCG@10 and ER@10 after each round, means over seeds."""
    most = figures.most or 0.0

    def ndcg(panel: Any, attack: str, defence: str, style: dict[str, Any]) -> None:
        courses = [cell["curves"]["ndcg_at_10"] for cell in figures.cells(attack, defence, most)]
        if courses:
            panel.plot(range(1, len(courses[0]) + 1), _means(courses), **style)

    def exposed(panel: Any, attack: str, defence: str, style: dict[str, Any]) -> None:
        curves = [cell["curves"] for cell in figures.cells(attack, defence, most)]
        if curves:
            rounds = curves[0]["exposure_rounds"]
            panel.plot(rounds, _means([one["exposure"]["10"] for one in curves]), marker=".", **style)

    return _grid(figures, [("NDCG@10", ndcg), ("ER@10", exposed)], f"round, beta {most:g}", from_zero=False)


Draw = Callable[[Any, str, str, dict[str, Any]], None]


def _grid(figures: Figures, kinds: Sequence[tuple[str, Draw]], below: str, *, from_zero: bool) -> bytes:
    """Draw a panel for each kind and attack; all panels of a kind have the same scale, which may begin at 0."""
    attacks = figures.attacks
    columns = min(_MOST_COLUMNS, len(attacks))
    rows = ceil(len(attacks) / columns)
    size = (1.2 + 2.7 * max(columns, 2), 1.4 + 2.1 * rows * len(kinds))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    # the kinds of one attack stand below one another
    panels = np.array(figure.subplots(rows * len(kinds), columns, squeeze=False))
    for kind, (name, draw) in enumerate(kinds):
        own = panels[kind :: len(kinds)]
        for place in range(rows * columns):
            panel = own[place // columns, place % columns]
            if place >= len(attacks):
                panel.set_axis_off()
                continue
            for defence in figures.defences:
                draw(panel, attacks[place], defence, _style(defence, figures.defences))
            if panel is not own[0, 0]:
                panel.sharey(own[0, 0])
            panel.set_title(f"{attacks[place]}: {name}", fontsize=9)
            panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            panel.grid(alpha=0.3)
        if from_zero:
            own[0, 0].set_ylim(bottom=0.0)
    legend = [Line2D([], [], **_style(name, figures.defences)) for name in figures.defences]
    figure.legend(handles=legend, loc="outside lower center", ncols=min(4, len(legend)), frameon=False, fontsize=9)
    figure.suptitle(f"{figures.dataset}, by {below}", fontsize=10)
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
    return [float("nan") if None in at else fmean(one for one in at if one is not None) for at in zip(*courses)]  # noqa: B905
