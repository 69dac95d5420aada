"""What compression has left unsent, kept from one round to the next beside the reply of the earlier one.

It follows from the reply, so it is written before it: who finds a reply finds what that reply left.
"""

from pathlib import Path

import numpy as np

from common.compression import is_row_ids
from common.data.array_file import load_arrays, save_arrays
from common.models.model import Arrays, FloatArray

CARRIED_FILE = "carried.npz"


def save_carried(folder: Path, unsent: Arrays, update: Arrays) -> None:
    """Keep what is unsent of an update, with the row ids that it belongs to; nothing where everything was sent."""
    if unsent:
        save_arrays(folder / CARRIED_FILE, unsent | _row_ids(update))


def load_carried(folder: Path, update: Arrays) -> dict[str, FloatArray]:
    """Return the rows that were left unsent, by name, where this update has the same rows; otherwise nothing.

    A model that has become another one, or data that have changed, end what was left.

    Raises:
        WrongUse: the file is damaged.
    """
    path = folder / CARRIED_FILE
    if not path.exists():
        return {}
    kept = load_arrays(path)
    then, now = _row_ids(kept), _row_ids(update)
    if then.keys() != now.keys() or not all(np.array_equal(then[name], now[name]) for name in now):
        return {}
    return {
        name: rows.astype(np.float32)
        for name, rows in kept.items()
        if name in update and not is_row_ids(name) and rows.shape == update[name].shape and np.all(np.isfinite(rows))
    }


def _row_ids(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if is_row_ids(name)}
