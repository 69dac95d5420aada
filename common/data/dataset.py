"""A data set after loading: interactions by contiguous index, and the names behind the indices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems


@dataclass(frozen=True, eq=False)
class OfficialSplit:
    """A published split, as published.

    Fields:
        test: int32, shape (users,). The test item of each user, or `NO_ITEM`.
        candidates: int32, shape (users, 99). The negatives it is ranked against; rows of `NO_ITEM` where
            there is no test item. Published lists may hold items that the user did interact with.
    """

    test: NDArray[np.int32]
    candidates: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set. User u is `user_ids[u]`, item i is `item_ids[i]`; only items with interactions count.

    Fields:
        name: The name it was asked for by.
        interactions: Every (user, item) pair once.
        user_ids, item_ids: The ids of the files, in ascending order (as numbers where all are numbers).
        titles: One for each item, or None where the files give none.
        genres: The genres of each item, possibly none, or None where the files give none.
        file_hashes: File name -> sha256 of its uncompressed bytes, in hexadecimal.
        official_split: The published split that comes with this name, if any.
        lines: Of the ratings file, which may repeat pairs; None where nobody counted.
    """

    name: str
    interactions: UserItems
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    titles: tuple[str, ...] | None
    genres: tuple[tuple[str, ...], ...] | None
    file_hashes: dict[str, str]
    official_split: OfficialSplit | None = None
    lines: int | None = None
