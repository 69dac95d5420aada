"""The forms in which an update's arrays travel, and how they are read back; `client/compression.py` makes them.

| array | form under float16 and int8 |
|---|---|
| rows: float32, two axes | "NAME", values of that type, and "NAME.scale", float32, one for each row |
| a Gram matrix: float64, square | "NAME.triangle", float32: the lower triangle of T, T T' being the matrix |
| unsigned integers, one axis | the smallest type that holds them; "row_ids" as their gaps |
| everything else | as it is |

A row is `values * scale`, or `values * scale / 127` for int8, and no longer than the row that it stands for, so that
every bound on an honest update holds for its compressed form. T T' is positive semidefinite whatever T is. An array has
one form for each compression: another one is refused. The commitment is over the compressed bytes.

"top-rows" is int8 with the longest rows alone; "NAME.sent" says by gaps which they are. The others are zeros until a
later round [error feedback: Stich, Cordonnier, Jaggi (2018), "Sparsified SGD with memory"].
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import Rejected
from common.models.model import Arrays
from common.update import MAX_UPDATE_BYTES, Packed

SCALE, SENT, TRIANGLE = ".scale", ".sent", ".triangle"
ROW_IDS = "row_ids"
"""What the rows of the other arrays belong to; in a model of several branches, each has its own: "ials/row_ids"."""
LARGEST_INT8 = 127
"""-128 is not used: a row and its negative have the same form."""

_VALUES = {"float16": "<f2", "int8": "|i1", "top-rows": "|i1"}
_MOST_FACTORS = 1024  # of a Gram matrix, as `Settings.factors` allows


def is_rows(array: NDArray[Any]) -> bool:
    """Say whether an array is one whose rows are compressed."""
    return array.ndim == 2 and array.dtype == np.float32


def is_gram(array: NDArray[Any]) -> bool:
    """Say whether an array is compressed as a Gram matrix."""
    return array.ndim == 2 and array.dtype == np.float64


def is_counts(array: NDArray[Any]) -> bool:
    """Say whether an array is compressed as unsigned integers."""
    return array.ndim == 1 and array.dtype.kind == "u"


def is_row_ids(name: str) -> bool:
    """Say whether an array of this name holds row ids."""
    return name.rpartition("/")[2] == ROW_IDS


def narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return unsigned integers in the smallest type that holds the largest of them."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def expand(packed: Packed, compression: str) -> Arrays:
    """Return the arrays of an update as its model knows them.

    Args:
        packed: From `decode_update`; `rows` is known to be the size of the catalogue.
        compression: Of the run's settings.

    Raises:
        Rejected: an array has not the form that this compression gives it, or would become too large.
    """
    arrays: Arrays = packed.arrays
    if compression == "none":
        return arrays
    expanded: Arrays = {}
    for name, array in arrays.items():
        if is_rows(array) or is_gram(array):
            raise Rejected(f"{name} is not compressed as {compression}")
        base, dot, suffix = name.rpartition(".")
        form = dot + suffix
        if form == TRIANGLE:
            if base in arrays:
                raise Rejected(f"{base} is there in two forms")
            expanded[base] = _gram(name, array)
        elif is_counts(array) and form != SENT:
            expanded[name] = _widened(name, array)
        elif form not in {SCALE, SENT} and name + SCALE not in arrays:
            expanded[name] = array
    for name in [name for name in arrays if name.endswith(SCALE)]:
        base = name.removesuffix(SCALE)
        branch, slash, _ = base.rpartition("/")
        row_count = len(expanded.get(branch + slash + ROW_IDS, range(packed.rows)))
        expanded[base] = _rows(base, arrays, row_count, compression)
    if any(name.endswith(SENT) and name.removesuffix(SENT) + SCALE not in arrays for name in arrays):
        raise Rejected("an array says which rows were sent, and the rows are missing")
    return expanded


def _rows(name: str, arrays: Arrays, row_count: int, compression: str) -> NDArray[np.float32]:
    values, scale = arrays.get(name), arrays[name + SCALE]
    if values is None or values.ndim != 2 or values.dtype.str != _VALUES[compression]:
        raise Rejected(f"{name} is not compressed as {compression}")
    if scale.dtype != np.float32 or scale.shape != values.shape[:1] or not np.all((scale >= 0) & (scale < np.inf)):
        raise Rejected(f"{name} has not one finite scale for each row")
    if row_count * values.shape[1] * 4 > MAX_UPDATE_BYTES:
        raise Rejected(f"{name} would have more than {MAX_UPDATE_BYTES} bytes")
    if values.dtype.kind == "i":
        if np.any(values < -LARGEST_INT8):
            raise Rejected(f"{name} has a value below -{LARGEST_INT8}")
        scale = scale / np.float32(LARGEST_INT8)
    rows = values.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite then is refused by the model's rules
        rows *= scale[:, None]
    sent = arrays.get(name + SENT)
    if (sent is not None) != (compression == "top-rows"):
        raise Rejected(f"{name} is not compressed as {compression}")
    if sent is None:
        return rows
    all_rows = np.zeros((row_count, rows.shape[1]), dtype=np.float32)
    all_rows[_positions(name, sent, len(rows), row_count)] = rows
    return all_rows


def _positions(name: str, sent: NDArray[Any], count: int, row_count: int) -> NDArray[np.uint32]:
    if not is_counts(sent) or len(sent) != count:
        raise Rejected(f"{name} does not say which rows were sent")
    positions = _widened(name + SENT, sent, gaps=True)
    if np.any(positions[1:] <= positions[:-1]) or (count and int(positions[-1]) >= row_count):
        raise Rejected(f"the rows sent of {name} are not strictly ascending rows of the update")
    return positions


def _widened(name: str, array: NDArray[Any], *, gaps: bool = False) -> NDArray[np.uint32]:
    if array.dtype != narrow(array).dtype:
        raise Rejected(f"{name} is not in the smallest type that holds it")
    wide = array.astype(np.int64)
    if gaps or is_row_ids(name):
        wide = np.cumsum(wide)
        if wide.size and int(wide[-1]) >= 1 << 32:
            raise Rejected(f"the gaps of {name} lead beyond every catalogue")
    return wide.astype(np.uint32)


def _gram(name: str, triangle: NDArray[Any]) -> NDArray[np.float64]:
    factors = (int(np.sqrt(8 * triangle.size + 1)) - 1) // 2
    if triangle.dtype != np.float32 or triangle.ndim != 1 or triangle.size != factors * (factors + 1) // 2:
        raise Rejected(f"{name} is not a triangle of float32 numbers")
    if factors > _MOST_FACTORS:
        raise Rejected(f"{name} has more than {_MOST_FACTORS} rows")
    if not np.all(np.isfinite(triangle)):
        raise Rejected(f"{name} has an entry that is not finite")
    lower = np.zeros((factors, factors))
    lower[np.tril_indices(factors)] = triangle
    gram: NDArray[np.float64] = lower @ lower.T
    return gram
