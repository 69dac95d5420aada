"""What an update says of single items: how many of its users have each, and how far it pulls the item's row.

Every update of a model that learns from interactions says both, each model in its own arrays. Read off in one form,
they can be compared with what is publicly known of an item, and cut to it (`server/row_caps.py`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class RowClaims(NamedTuple):
    """One client's claims, for the rows that it touches.

    Fields:
        users: How many users it says that it has.
        row_ids: Items, ascending. Shape (touched,).
        counts: Of these users, those that have the item. Float64, shape (touched,).
        expected: Of these users, those that the model already expects to have it; zero for a model that expects none.
            Float64, shape (touched,).
        sums: What it adds to the row's gradient, summed over its users. Float32, shape (touched, vector length).
    """

    users: int
    row_ids: NDArray[np.intp]
    counts: NDArray[np.float64]
    expected: NDArray[np.float64]
    sums: NDArray[np.float32]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Return the Euclidean lengths of the sums. Shape (touched,)."""
        lengths: NDArray[np.float64] = np.sqrt(np.einsum("if,if->i", self.sums, self.sums, dtype=np.float64))
        return lengths


class RowCut(NamedTuple):
    """What is left of a client's claims, as factors in [0, 1], aligned with `RowClaims.row_ids`.

    Fields:
        counts: Of the count of a row. Float64, shape (touched,).
        sums: Of its sum; at most the factor of the count. Float64, shape (touched,).
    """

    counts: NDArray[np.float64]
    sums: NDArray[np.float64]


def touched_claims(
    users: int, row_ids: NDArray[np.uint32], counts: NDArray[np.uint32], sums: NDArray[np.float32]
) -> RowClaims:
    """Return the claims of an update that names its rows, of a model that expects nobody."""
    return RowClaims(users, row_ids.astype(np.intp), counts.astype(np.float64), np.zeros(len(row_ids)), sums)


def cut_rows(
    update: Mapping[str, NDArray[Any]], names: tuple[str, ...], factors: NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Return the named arrays with each row times its factor, in their own type."""
    cut: dict[str, NDArray[Any]] = {}
    for name in names:
        rows = update[name]
        cut[name] = (rows * factors.reshape(-1, *(1,) * (rows.ndim - 1))).astype(rows.dtype)
    return cut
