"""What any model asks of an update's arrays: names, types, shapes, and matrices that are sums of squares."""

import numpy as np
from numpy.typing import NDArray

from common.errors import Rejected
from common.models.model import Arrays, Layout

TOLERANCE = 1e-9
"""Relative to the trace: how far a matrix may be from symmetric, and how far below zero an eigenvalue may lie."""


def check_layout(update: Arrays, wanted: Layout) -> None:
    """Return if the update holds exactly these arrays, each of the type and shape given.

    Raises:
        Rejected: it does not.
    """
    if set(update) != set(wanted):
        raise Rejected(f"the update must hold exactly the arrays {', '.join(sorted(wanted))}")
    for name, (dtype, shape) in wanted.items():
        array = update[name]
        if type(array) is not np.ndarray or array.dtype != np.dtype(dtype) or array.shape != shape:
            found = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            needed = f"{np.dtype(dtype)}{list(shape)}"
            raise Rejected(f"{name} has not the type and shape that an update needs: {found} instead of {needed}")


def row_count(update: Arrays) -> int:
    """Return the length of "row_ids", or -1 where there is no such vector, which no layout then fits."""
    row_ids = update.get("row_ids")
    return row_ids.shape[0] if type(row_ids) is np.ndarray and row_ids.ndim == 1 else -1


def check_touched_rows(update: Arrays, item_count: int) -> int:
    """Return the number of users after checking which rows an update touches, and how many users each.

    Args:
        update: With "row_ids" and "counts", uint32 of one length, and "users", uint32 (1,).
        item_count: Size of the catalogue.

    Raises:
        Rejected: there are no users, the rows are not strictly ascending items, or a count is impossible.
    """
    row_ids, counts, users = update["row_ids"], update["counts"], int(update["users"][0])
    if users < 1:
        raise Rejected("the update counts no users")
    if np.any(row_ids[1:] <= row_ids[:-1]):
        raise Rejected("the row ids are not strictly ascending")
    if len(row_ids) and int(row_ids[-1]) >= item_count:
        raise Rejected("a row id lies outside the catalogue")
    if np.any(counts == 0) or np.any(counts > users):
        raise Rejected("a row's count is zero or greater than the number of users")
    return users


def check_semidefinite(label: str, matrix: NDArray[np.float64]) -> None:
    """Return if a finite matrix is symmetric positive semidefinite, as a sum of outer products is.

    Raises:
        Rejected: it is not; the sentence begins with the label.
    """
    trace = float(np.trace(matrix))
    if trace < 0.0:
        raise Rejected(f"{label} is not positive semidefinite")
    tolerance = TOLERANCE * trace
    if np.any(np.abs(matrix - matrix.T) > tolerance):
        raise Rejected(f"{label} is not symmetric")
    if trace == 0.0 and not matrix.any():
        return
    try:
        np.linalg.cholesky(matrix + tolerance * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        raise Rejected(f"{label} is not positive semidefinite") from None
