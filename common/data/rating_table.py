"""What a ratings file says, line by line, and how repeated pairs become one interaction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems


@dataclass(frozen=True, eq=False)
class RatingTable:
    """The lines of a ratings file, in file order, by contiguous index.

    Fields:
        user_ids, item_ids: The ids behind the indices, ascending (as numbers where all are numbers).
        users, items: int32 indices, shape (lines,).
        ratings: float32, shape (lines,).
        timestamps: int64, shape (lines,), seconds since 1970, 0 where unknown.
    """

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    timestamps: NDArray[np.int64]

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self.items.size

    def interactions(self) -> UserItems:
        """Return every pair once: the latest stands, and of equal timestamps the last line.

        One rule for every data set, so that FilmTrust's three repeated pairs, without timestamps, keep their
        last line.
        """
        pairs = self.users.astype(np.int64) * len(self.item_ids) + self.items
        order = np.lexsort((self.timestamps, pairs))  # stable: equal timestamps stay in file order
        last_of_pair = np.append(pairs[order][1:] != pairs[order][:-1], True)
        kept = order[last_of_pair]
        return UserItems.from_pairs(
            self.users[kept],
            self.items[kept],
            self.ratings[kept],
            self.timestamps[kept],
            user_count=len(self.user_ids),
            item_count=len(self.item_ids),
        )


def index_text_ids(ids: Sequence[str], codes: NDArray[np.int32]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Put distinct ids in ascending order and translate the codes, which are positions in `ids`."""
    if all(text.isascii() and text.isdecimal() for text in ids):
        order = sorted(range(len(ids)), key=lambda code: (int(ids[code]), ids[code]))
    else:
        order = sorted(range(len(ids)), key=ids.__getitem__)
    index_of_code = np.empty(len(ids), dtype=np.int32)
    index_of_code[order] = np.arange(len(ids), dtype=np.int32)
    return tuple(ids[code] for code in order), index_of_code[codes]


def index_number_ids(numbers: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Return the distinct ids, ascending, and the index of each entry."""
    distinct, indices = np.unique(numbers, return_inverse=True)
    return tuple(map(str, distinct.tolist())), indices.astype(np.int32)
