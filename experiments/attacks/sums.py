"""One form for the updates of iALS and GMF, in which attacks do their arithmetic.

Both say the same of an item: how many users have it, and in which direction its vector should move to please them. iALS
sends that direction as a sum over users; GMF sends minus its mean per exposure, as a gradient.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, FloatArray, Ials
from common.models.ials_checks import LARGEST_ERROR
from common.models.ncf import Ncf
from common.models.ncf_checks import LARGEST_PULL

_TINY = 1e-30  # in place of a zero that is divided by
_BELOW = 0.999  # of a bound: what is shortened to a bound must not be rounded beyond it


@dataclass(frozen=True, eq=False)
class Sums:
    """An update.

    Attributes:
        lift: Where a client's users want the items' vectors to go, summed over them: R of iALS, for GMF minus the
            gradient's sum. Shape (items, factors).
        counts: Users that have each item, as the client says. Shape (items,).
        users: How many users there are, as the client says.
        gram: iALS: GP. Shape (factors, factors).
        expected: GMF: the interactions E_i that the model expects of each item. Shape (items,).
    """

    lift: FloatArray
    counts: NDArray[np.int64]
    users: int
    gram: NDArray[np.float64] | None = None
    expected: NDArray[np.float64] | None = None

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each row of `lift`. Shape (items,)."""
        squared: NDArray[np.float64] = np.einsum("if,if->i", self.lift, self.lift, dtype=np.float64)
        return np.sqrt(squared)


def sums_of(model: Ials | Ncf, update: Arrays, item_count: int) -> Sums:
    """Return an update, as it is sent, in the common form."""
    users = int(update["users"][0])
    if isinstance(model, Ials):
        rows = update["row_ids"]
        lift, counts = np.zeros((item_count, model.factors), dtype=np.float32), np.zeros(item_count, dtype=np.int64)
        lift[rows], counts[rows] = update["residual"], update["counts"]
        return Sums(lift, counts, users, gram=update["gram"])
    counts = update["exposure"].astype(np.int64)
    exposure = _exposure(model, counts, users)
    lift = -update["item_factors"] * exposure[:, None]
    return Sums(lift, counts, users, expected=counts + update["item_bias"] * exposure.astype(np.float64))


def update_of(model: Ials | Ncf, sums: Sums) -> Arrays:
    """Return the common form as an update that keeps the model's rules, see `within_bounds`."""
    sums = within_bounds(model, sums)
    users = np.array([sums.users], dtype=np.uint32)
    if isinstance(model, Ials):
        rows = np.flatnonzero(sums.counts)
        assert sums.gram is not None  # noqa: S101  # of iALS
        return {
            "row_ids": rows.astype(np.uint32),
            "residual": sums.lift[rows].astype(np.float32),
            "counts": sums.counts[rows].astype(np.uint32),
            "gram": sums.gram,
            "users": users,
        }
    assert sums.expected is not None  # noqa: S101  # of GMF
    exposure = _exposure(model, sums.counts, sums.users)
    return {
        "item_factors": (-sums.lift / exposure[:, None]).astype(np.float32),
        "item_bias": ((sums.expected - sums.counts) / exposure).astype(np.float32),
        "network": np.zeros(0, dtype=np.float32),
        "exposure": sums.counts.astype(np.uint32),
        "users": users,
    }


def within_bounds(model: Ials | Ncf, sums: Sums) -> Sums:
    """Shorten what is longer than an honest client's could be: see `UpdateRules` and `GradientRules`.

    No item counts more users than there are. An iALS row that is lifted counts one user at least; the expected
    interactions of GMF are scaled to add up to those that are counted.
    """
    counts = np.clip(sums.counts, 0, sums.users)
    lengths = sums.lengths
    if isinstance(model, Ials):
        assert sums.gram is not None  # noqa: S101  # of iALS
        counts = np.maximum(counts, lengths > 0)
        interactions, item_count = int(counts.sum()), len(counts)
        trace = float(np.trace(sums.gram))
        largest = _BELOW * interactions / (model.regularisation * model.alpha0 * item_count)
        gram = sums.gram * min(1.0, largest / trace) if trace > 0 else sums.gram
        trace = min(trace, largest)
        most = _BELOW * LARGEST_ERROR * np.sqrt(max(trace, 0.0) * counts.astype(np.float64))
        lift = sums.lift * _shortened(lengths, most)[:, None]
        length = float(np.sqrt(np.square(lift, dtype=np.float64).sum()))
        whole = _BELOW * np.sqrt(trace * interactions)
        lift *= np.float32(min(1.0, whole / length) if length > 0 else 1.0)
        return replace(sums, lift=lift, counts=counts, gram=gram)
    assert sums.expected is not None  # noqa: S101  # of GMF
    expected = np.maximum(sums.expected, 0.0)
    expected *= counts.sum() / max(expected.sum(), _TINY)
    longest = _BELOW * LARGEST_PULL * (expected + counts)
    return replace(sums, lift=sums.lift * _shortened(lengths, longest)[:, None], counts=counts, expected=expected)


def least_counts(model: Ials | Ncf, sums: Sums, lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the fewest users that rows of such lengths may claim: fewer let an iALS row move further."""
    if isinstance(model, Ials):
        assert sums.gram is not None  # noqa: S101  # of iALS
        trace = max(float(np.trace(sums.gram)), _TINY)
        needed = (lengths / (_BELOW * LARGEST_ERROR)) ** 2 / trace
    else:
        needed = lengths / (_BELOW * LARGEST_PULL)
    return np.clip(np.ceil(needed), 1, sums.users).astype(np.int64)


def _shortened(lengths: NDArray[np.float64], most: NDArray[np.floating[Any]]) -> FloatArray:
    """Return what rows of these lengths must be multiplied by."""
    factors: FloatArray = np.divide(most, lengths, out=np.ones_like(lengths), where=lengths > most).astype(np.float32)
    return factors


def _exposure(model: Ncf, counts: NDArray[np.int64], users: int) -> FloatArray:
    return (counts + model.display * users).astype(np.float32)
