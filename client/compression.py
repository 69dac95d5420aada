"""An update in the form in which it travels; what the forms are, and how they are read, is `common/compression.py`'s.

Values are rounded at random, up or down, so that each is right on average and errors of many clients cancel [QSGD,
Alistarh et al. (2017)]. The randomness follows from the seed: it protects nothing and must repeat.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.compression import (
    LARGEST_INT8,
    SCALE,
    SENT,
    TRIANGLE,
    is_counts,
    is_gram,
    is_row_ids,
    is_rows,
    narrow,
)
from common.models.model import Arrays, FloatArray

_SHORTER = 1 - 1e-6
"""So that rounding to float32 does not make a row longer than the one that it stands for."""


def compress(
    update: Arrays, compression: str, top_rows: float, rng: np.random.Generator, carried: Mapping[str, FloatArray]
) -> tuple[Arrays, Arrays]:
    """Return the arrays that travel, and what has yet to be sent.

    Args:
        update: As it would leave without compression.
        compression: Of the run's settings; "none" returns the update.
        top_rows: Share of the rows that travel under "top-rows".
        rng: For rounding.
        carried: What earlier rounds left unsent, rows by name and of the update's own shapes. Others than "top-rows"
            leave nothing.

    Returns:
        Arrays for `Packed`, and rows by name to be given as `carried` next time.
    """
    if compression == "none":
        return update, {}
    forms: Arrays = {}
    unsent: Arrays = {}
    for name, array in sorted(update.items()):
        if is_rows(array) and compression == "top-rows":
            rows = array + carried[name] if name in carried else array
            sent = _longest(rows, max(1, round(top_rows * len(rows))))
            forms |= _int8(name, rows[sent], rng) | {name + SENT: narrow(np.diff(sent, prepend=0))}
            left = rows.copy()
            left[sent] -= forms[name] * (forms[name + SCALE] / np.float32(LARGEST_INT8))[:, None]
            unsent[name] = left
        elif is_rows(array):
            forms |= _int8(name, array, rng) if compression == "int8" else _float16(name, array)
        elif is_gram(array):
            forms[name + TRIANGLE] = _triangle(array)
        elif is_counts(array):
            wide = array.astype(np.int64)
            forms[name] = narrow(np.diff(wide, prepend=0) if is_row_ids(name) else wide)
        else:
            forms[name] = array
    return forms, unsent


def _int8(name: str, rows: FloatArray, rng: np.random.Generator) -> Arrays:
    """Return values in -127 .. 127, the largest entry of a row being 127 or -127, and the scale of each row."""
    scale = np.abs(rows).max(axis=1, initial=0.0)
    steps = rows * _inverse(scale / np.float32(LARGEST_INT8))[:, None]
    steps += rng.random(steps.shape, dtype=np.float32)
    values = np.clip(np.floor(steps, out=steps), -LARGEST_INT8, LARGEST_INT8)
    return {name: values.astype(np.int8), name + SCALE: _no_longer(rows, values / np.float32(LARGEST_INT8), scale)}


def _float16(name: str, rows: FloatArray) -> Arrays:
    scale = np.abs(rows).max(axis=1, initial=0.0)
    values = (rows * _inverse(scale)[:, None]).astype(np.float16)
    return {name: values, name + SCALE: _no_longer(rows, values.astype(np.float32), scale)}


def _no_longer(rows: FloatArray, values: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the scales, smaller where values times scale would be longer than the row."""
    wanted = np.sqrt(np.einsum("if,if->i", rows, rows, dtype=np.float64))
    found = scale * np.sqrt(np.einsum("if,if->i", values, values, dtype=np.float64))
    ratio = np.divide(wanted, found, out=np.ones_like(found), where=found > 0)
    shrunk: FloatArray = (scale * np.minimum(1.0, ratio) * _SHORTER).astype(np.float32)
    return shrunk


def _inverse(scale: FloatArray) -> FloatArray:
    """Return 1 / scale, and 0 for rows of zeros and of numbers so small that the inverse would overflow."""
    with np.errstate(over="ignore", divide="ignore"):
        inverse = np.float32(1.0) / scale
    inverse[~np.isfinite(inverse)] = 0.0
    return inverse


def _longest(rows: FloatArray, count: int) -> NDArray[np.int64]:
    """Return the positions of the longest rows, ascending; of equally long ones the first."""
    lengths = np.einsum("if,if->i", rows, rows)
    return np.sort(np.argsort(-lengths, kind="stable")[:count])


def _triangle(gram: NDArray[np.float64]) -> FloatArray:
    """Return a lower triangle T with T T' = gram, row after row; there is one for every semidefinite matrix."""
    spectrum, basis = np.linalg.eigh(gram)
    root = np.sqrt(np.maximum(spectrum, 0.0))[:, None] * basis.T  # root' root = gram
    upper = np.asarray(np.linalg.qr(root, mode="r"))
    triangle: FloatArray = upper.T[np.tril_indices(len(gram))].astype(np.float32)
    return triangle
