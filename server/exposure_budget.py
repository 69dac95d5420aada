"""Exposure budgets: how much of everybody's top lists an item may come to fill, by what is publicly known of it.

A push of an item shows in no accuracy, but in what people are shown. So the next model is asked for the volunteers'
top ten, over the full catalogue, and an item that more of them see than its budget allows is held: its rows stay as
they were in the model that was sent. Where that was too much already, they are rolled back to those of an item that
nobody has.
The budget is a level and not an amount for each round, so a push cannot creep up on it.

    budget_i = 0.01 + 2 / N + (h_i / h_(10))^2

h_i is the upper share of item i (`PublicReference`), h_(10) that of the tenth most popular item, N the volunteers.
Measured: no item of an honest run came nearer to its budget than .005, in the first eight rounds on
ml-latest-small-2016, ML-100K, ML-1M and FilmTrust, evenly and by taste, with iALS, GMF, NeuMF and GMF beside iALS.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, Model
from server.public_reference import PublicReference

CUTOFF = 10
FREE_SHARE = 0.01
"""Of the volunteers, to whom any item may be shown."""
FREE_VOLUNTEERS = 2.0

_ROWS = ("item_factors", "item_bias", "momentum")
"""How the names of arrays end that have a row for each item, an optimiser's included."""


@dataclass(frozen=True)
class Held:
    """One item over its budget. Shares of the volunteers, in [0, 1].

    Fields:
        item: In the catalogue.
        exposure: In the model that the updates came to.
        budget: What it may be.
        rolled_back: Whether holding it was not enough.
    """

    item: int
    exposure: float
    budget: float
    rolled_back: bool


def exposure_budgets(reference: PublicReference) -> NDArray[np.float64]:
    """Return every item's budget. Shape (items,)."""
    users, upper = reference.histories.user_count, reference.upper_share
    tenth = np.sort(upper)[-min(CUTOFF, len(upper))]
    budgets: NDArray[np.float64] = FREE_SHARE + FREE_VOLUNTEERS / users + (upper / tenth) ** 2
    return budgets


def exposure_of(model: Model, state: Arrays, reference: PublicReference) -> NDArray[np.float64]:
    """Return the share of the volunteers that find each item among their first ten, their own left out."""
    histories = reference.histories
    scores = np.array(model.scores(state, model.fold_in(state, histories)))
    scores[histories.users, histories.items] = -np.inf
    scores[np.isnan(scores)] = -np.inf
    cutoff = min(CUTOFF, scores.shape[1])
    first = np.argpartition(-scores, cutoff - 1, axis=1)[:, :cutoff]
    return np.bincount(first.ravel(), minlength=scores.shape[1]) / histories.user_count


def hold_to_budget(
    model: Model, before: Arrays, after: Arrays, reference: PublicReference
) -> tuple[Arrays, tuple[Held, ...]]:
    """Return the next model with the rows of items over their budget held or rolled back, and these items.

    Args:
        model: Of the run; one that predicts ratings shows nobody a list, and nothing of it is held.
        before: The model that was sent.
        after: What the updates came to.
        reference: The public sample.
    """
    if model.rating_range is not None or before is after:
        return after, ()
    budgets = exposure_budgets(reference)
    exposure = exposure_of(model, after, reference)
    over = np.flatnonzero(exposure > budgets)
    if not len(over):
        return after, ()
    held = _with_rows(after, over, before)
    still = over[exposure_of(model, held, reference)[over] > budgets[over]]
    state = _with_rows(held, still, None) if len(still) else held
    rolled_back = set(still.tolist())
    return state, tuple(
        Held(item, float(exposure[item]), float(budgets[item]), item in rolled_back) for item in over.tolist()
    )


def _with_rows(state: Arrays, items: NDArray[np.intp], source: Arrays | None) -> Arrays:
    """Return the state with these items' rows from another one, or as if nobody had the items."""
    changed = dict(state)
    for name, array in state.items():
        if not name.endswith(_ROWS):
            continue
        rows = array.copy()
        if source is None:
            rows[items] = array.min() if name.endswith("item_bias") else 0
        elif name in source and source[name].shape == array.shape:
            rows[items] = source[name][items]
        changed[name] = rows
    return changed
