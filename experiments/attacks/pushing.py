"""What attacks that push items have in common: where users are, how long honest rows are, how a row is claimed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from common.models import FloatArray, Ials
from experiments.attacks.attack import View
from experiments.attacks.sums import Sums, least_counts, sums_of


def honest_sums(view: View, account: str) -> Sums:
    """Return what a colluder would send if it were honest."""
    honest = view.honest_of(account)
    return view.together(("sums", account), lambda: sums_of(view.model, honest, view.train.item_count))


def pushed(view: View, sums: Sums, rows: FloatArray, items: NDArray[np.integer] | None = None) -> Sums:
    """Return the sums with some rows replaced.

    An iALS row goes the further, the fewer users are said to have the item: the fewest are claimed that allow the
    length. Of GMF the server's optimiser forgets a gradient's length and the bias counts users: as many are claimed as
    would lift the row so far.

    Args:
        view: The attacker's.
        sums: Of the honest update.
        rows: What the rows become. Shape (items, factors), or (factors,) for all.
        items: Whose rows; the targets' where they are not given.
    """
    lift, counts = sums.lift.copy(), sums.counts.copy()
    items = view.targets if items is None else items
    lift[items] = rows
    lengths = replace(sums, lift=lift[items]).lengths
    if isinstance(view.model, Ials):
        counts[items] = least_counts(view.model, sums, lengths)
    else:
        per_user = max(float(np.linalg.norm(mean_vector(view, *view.colluders))), 1e-6)
        counts[items] = np.maximum(counts[items], np.ceil(lengths / per_user))
    return replace(sums, lift=lift, counts=counts)


def mean_vector(view: View, *accounts: str) -> FloatArray:
    """Return the mean vector of these colluders' users. Shape (factors,)."""

    def mean() -> FloatArray:
        centre: FloatArray = np.concatenate([view.vectors_of(account) for account in sorted(accounts)]).mean(axis=0)
        return centre

    return view.together(("mean vector", *sorted(accounts)), mean)


def unit(vectors: FloatArray) -> FloatArray:
    """Return vectors of length 1 in the same directions; zeros stay zeros. Shape (..., factors)."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    directions: FloatArray = (vectors / np.maximum(lengths, 1e-30)).astype(np.float32)
    return directions


def honest_length(view: View, percentile: float, *accounts: str) -> float:
    """Return a percentile of the lengths of the rows that these colluders' honest updates touch."""

    def length() -> float:
        touched: list[NDArray[np.float64]] = []
        for account in sorted(accounts):
            sums = honest_sums(view, account)
            touched.append(sums.lengths[sums.counts > 0])
        return float(np.percentile(np.concatenate(touched), percentile))

    return view.together(("honest length", percentile, *sorted(accounts)), length)
