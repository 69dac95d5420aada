"""Ratings as lines of numbers between separators, without a header (ml-1m, ml-100k, FilmTrust).

A million lines take a quarter of a second in numpy's reader, which says too little about what is wrong. So the
file is read again, line by line, when that reader or a check afterwards fails: the second reading decides.
"""

import io
import math

import numpy as np
from numpy.typing import NDArray

from common.data.rating_table import RatingTable, index_number_ids
from common.data.source_file import SourceFile
from common.errors import WrongUse

_COLUMNS = [("user", np.int64), ("item", np.int64), ("rating", np.float32), ("timestamp", np.int64)]
_LARGEST_NUMBER = 2**63 - 1


def read_rating_lines(source: SourceFile, separator: str, with_timestamps: bool) -> RatingTable:
    """Read `user, item, rating` and perhaps `timestamp` from every line; blank lines are passed over.

    Args:
        source: The file.
        separator: Between the fields, such as "::".
        with_timestamps: Whether a line has a fourth field.

    Raises:
        WrongUse: a line is malformed (it names the first), or there is none.
    """
    dtype = np.dtype(_COLUMNS if with_timestamps else _COLUMNS[:3])
    if not source.data.strip():
        raise WrongUse(f"{source.path} is empty: download it again.")
    table = _read_at_once(source.data, separator, dtype)
    if table is None:
        table = _read_line_by_line(source, separator, dtype)
    user_ids, users = index_number_ids(table["user"])
    item_ids, items = index_number_ids(table["item"])
    timestamps = table["timestamp"] if with_timestamps else np.zeros(table.size, dtype=np.int64)
    return RatingTable(user_ids, item_ids, users, items, table["rating"].copy(), timestamps.copy())


def _read_at_once(data: bytes, separator: str, dtype: np.dtype[np.void]) -> NDArray[np.void] | None:
    """Return the columns, or None where anything is unusual."""
    if len(separator) > 1:
        if b"\t" in data:
            return None
        data, separator = data.replace(separator.encode(), b"\t"), "\t"
    try:
        table = np.loadtxt(
            io.BytesIO(data), dtype=dtype, delimiter=separator, comments=None, encoding="latin-1", ndmin=1
        )
    except ValueError:
        return None
    names = dtype.names or ()
    good = np.isfinite(table["rating"]).all() and all(table[name].min() >= 0 for name in names if name != "rating")
    return table if good else None


def _read_line_by_line(source: SourceFile, separator: str, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    names = dtype.names or ()
    layout = separator.join(names)
    expected = f"{layout!r} with whole numbers of at least 0 and a finite rating"
    rows = []
    for number, line in source.lines():
        row = _parse_line(line.split(separator), len(names))
        if row is None:
            raise source.malformed(number, expected, line)
        rows.append(row)
    return np.array(rows, dtype=dtype)


def _parse_line(fields: list[str], count: int) -> tuple[int | float, ...] | None:
    """Return the numbers of one line, or None where it is malformed."""
    if len(fields) != count or any("_" in field for field in fields):  # Python reads 1_0 as 10
        return None
    try:
        rating = float(fields[2])
        numbers = [int(field) for position, field in enumerate(fields) if position != 2]
    except ValueError:
        return None
    if not math.isfinite(rating) or abs(rating) > float(np.finfo(np.float32).max):
        return None
    if min(numbers) < 0 or max(numbers) > _LARGEST_NUMBER:
        return None
    return (numbers[0], numbers[1], rating, *numbers[2:])
