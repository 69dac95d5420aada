"""Four panels of one t-SNE map: all items, and three users."""

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from experiments.embedding_map import ItemSpace

GENRES_NAMED = 7
# Okabe and Ito (2008), told apart by the colour-blind; grey stands for everything else
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
GREY, HAS, NEXT, SOUGHT = "#D0D0D0", "#0072B2", "#D55E00", "#009E73"

Places = NDArray[np.floating]


def item_map(space: ItemSpace, perplexity: float) -> Places:
    """Return a place for each item in `space.shown`. Shape (shown, 2)."""
    embedding = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=space.seed, n_jobs=1)
    places: Places = embedding.fit_transform(space.vectors[space.shown])
    return places


def draw(space: ItemSpace, places: Places, users: Sequence[int]) -> bytes:
    """Return a PNG; the same input gives the same picture."""
    figure = Figure(figsize=(12, 11), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).ravel()
    _items(panels[0], space, places)
    for number, (panel, user) in enumerate(zip(panels[1:], users, strict=True), start=1):
        _user(panel, space, places, user, number)
    for panel in panels:
        panel.set_xticks([])
        panel.set_yticks([])
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})
    return written.getvalue()


def _items(panel: Axes, space: ItemSpace, places: Places) -> None:
    if space.genres is None:
        panel.set_title("items, by training interactions")
        shades = np.log10(1 + space.counts[space.shown])
        points = panel.scatter(places[:, 0], places[:, 1], c=shades, s=7, cmap="viridis", linewidths=0)
        panel.figure.colorbar(points, ax=panel, label="log10 (1 + training interactions)", shrink=0.7)
        return
    panel.set_title("items, by first genre")
    main = np.array([space.genres[item][0] if space.genres[item] else "" for item in space.shown])
    named = [genre for genre, _ in Counter(main[main != ""].tolist()).most_common(GENRES_NAMED)]
    rest = ~np.isin(main, named)
    _scatter(panel, places[rest], GREY, "others", 5)
    for genre, colour in zip(named, COLOURS, strict=False):
        _scatter(panel, places[main == genre], colour, genre, 8)
    panel.legend(markerscale=2.5, fontsize=8, loc="best")


def _user(panel: Axes, space: ItemSpace, places: Places, user: int, number: int) -> None:
    own, test = space.train.items_of(user), int(space.test[user])
    place = np.isin(space.shown, own)
    _scatter(panel, places, GREY, "items", 4)
    _scatter(panel, places[place], HAS, f"has ({len(own)})", 16)
    nearby = np.isin(space.shown, space.recommended[user])
    _scatter(panel, places[nearby], NEXT, f"recommended first ({nearby.sum()} of 10 have a place)", 42, marker="^")
    sought = np.isin(space.shown, test)
    found = "among them" if test in space.recommended[user] else "not among them"
    _scatter(panel, places[sought], SOUGHT, f"test item, {found}", 150, marker="*")
    panel.set_title(f"user {number}")
    panel.legend(fontsize=8, loc="best")


def _scatter(panel: Axes, places: Places, colour: str, label: str, size: float, marker: str = "o") -> None:
    panel.scatter(places[:, 0], places[:, 1], s=size, c=colour, label=label, linewidths=0, marker=marker)
