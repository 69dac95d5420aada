"""Who interacted with what: the one shape in which interactions travel through the code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_ITEM = -1
MOST_ITEMS = 1 << 31
"""In a catalogue; an item is an int32."""


@dataclass(frozen=True, eq=False)
class UserItems:
    """Interactions as compressed rows: one row a user, the items of a row ascending and distinct.

    Fields:
        indptr: int64, shape (users + 1,). Row u is `indptr[u]:indptr[u + 1]` of the other arrays.
        items: int32, shape (interactions,), in 0..item_count - 1.
        ratings: float32, shape (interactions,), finite; 1 where the data set has no ratings.
        timestamps: int64, shape (interactions,), seconds since 1970; 0 where unknown.
        item_count: Items in the catalogue, with or without interactions.

    Raises:
        ValueError: an array breaks one of these promises.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    timestamps: NDArray[np.int64]
    item_count: int

    def __post_init__(self) -> None:
        _check_dtypes(self)
        if self.indptr.size == 0 or self.indptr[0] != 0 or np.any(self.indptr[1:] < self.indptr[:-1]):
            raise ValueError("indptr must start at 0 and never fall")
        if not int(self.indptr[-1]) == self.items.size == self.ratings.size == self.timestamps.size:
            raise ValueError("items, ratings and timestamps must be as long as indptr says")
        if not 0 <= self.item_count <= MOST_ITEMS:
            raise ValueError(f"item_count is not in 0..{MOST_ITEMS}")
        if self.items.size and not 0 <= self.items.min() <= self.items.max() < self.item_count:
            raise ValueError(f"an item lies outside 0..{self.item_count - 1}")
        if np.any(np.diff(self._keys()) <= 0):
            raise ValueError("the items of a row must ascend without repeats")
        if not np.isfinite(self.ratings).all() or (self.timestamps.size and self.timestamps.min() < 0):
            raise ValueError("ratings must be finite and timestamps at least 0")

    @classmethod
    def from_pairs(
        cls,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        ratings: NDArray[np.floating],
        timestamps: NDArray[np.integer],
        *,
        user_count: int,
        item_count: int,
    ) -> "UserItems":
        """Build rows from distinct (user, item) pairs in any order, all arrays of shape (interactions,)."""
        order = np.lexsort((items, users))
        indptr = np.zeros(user_count + 1, dtype=np.int64)
        np.cumsum(np.bincount(users, minlength=user_count), out=indptr[1:])
        return cls(
            indptr,
            items[order].astype(np.int32, copy=False),
            ratings[order].astype(np.float32, copy=False),
            timestamps[order].astype(np.int64, copy=False),
            item_count,
        )

    @classmethod
    def stacked(cls, parts: Sequence["UserItems"]) -> "UserItems":
        """Put the rows of one part after those of another; all have the same catalogue.

        Raises:
            ValueError: there are no parts, or their catalogues differ in size.
        """
        if len({part.item_count for part in parts}) != 1:
            raise ValueError("only parts of one catalogue can be put together")
        ends = np.concatenate([part.counts for part in parts]).cumsum()
        return cls(
            np.concatenate(([0], ends)).astype(np.int64, copy=False),
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.ratings for part in parts]),
            np.concatenate([part.timestamps for part in parts]),
            parts[0].item_count,
        )

    @property
    def user_count(self) -> int:
        """How many rows there are, empty ones included."""
        return self.indptr.size - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Interactions of each user. Shape (users,)."""
        return np.diff(self.indptr)

    @property
    def users(self) -> NDArray[np.int32]:
        """The user of each interaction, ascending. Shape (interactions,)."""
        return np.repeat(np.arange(self.user_count, dtype=np.int32), self.counts)

    def items_of(self, user: int) -> NDArray[np.int32]:
        """Return a view of one user's items, ascending."""
        return self.items[self.indptr[user] : self.indptr[user + 1]]

    def take(self, users: NDArray[np.integer]) -> "UserItems":
        """Return these users as rows 0, 1, ... in the order given; the catalogue stays."""
        counts = self.counts[users]
        indptr = np.zeros(counts.size + 1, dtype=np.int64)
        np.cumsum(counts, out=indptr[1:])
        # position in the new arrays -> position in the old ones, row by row
        source = np.arange(indptr[-1]) + np.repeat(self.indptr[:-1][users] - indptr[:-1], counts)
        return UserItems(indptr, self.items[source], self.ratings[source], self.timestamps[source], self.item_count)

    def contains(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say for each pair whether it is there. Both inputs and the result are of one shape."""
        keys = self._keys()
        if keys.size == 0:
            return np.zeros(np.shape(users), dtype=np.bool_)
        wanted = users.astype(np.int64) * self.item_count + items
        at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
        found: NDArray[np.bool_] = (keys[at] == wanted) & (items >= 0)
        return found

    def ratings_of(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return each pair's rating, NaN where the pair is not there. Both inputs and the result are of one shape."""
        found = self.contains(users, items)
        ratings = np.full(np.shape(users), np.nan, dtype=np.float32)
        wanted = users[found].astype(np.int64) * self.item_count + items[found]
        ratings[found] = self.ratings[np.searchsorted(self._keys(), wanted)]
        return ratings

    def without(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> "UserItems":
        """Drop these pairs. A pair that is not there, such as one with `NO_ITEM`, is passed over."""
        dropped = users.astype(np.int64) * self.item_count + items
        keep = ~np.isin(self._keys(), dropped[items >= 0])
        kept_before = np.concatenate(([0], np.cumsum(keep)))
        return UserItems(
            kept_before[self.indptr].astype(np.int64, copy=False),
            self.items[keep],
            self.ratings[keep],
            self.timestamps[keep],
            self.item_count,
        )

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Name the arrays for a file that may hold several of these."""
        return {
            f"{prefix}_indptr": self.indptr,
            f"{prefix}_items": self.items,
            f"{prefix}_ratings": self.ratings,
            f"{prefix}_timestamps": self.timestamps,
            f"{prefix}_item_count": np.array(self.item_count, dtype=np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> "UserItems":
        """Read back what `to_arrays` named, with every check of the class.

        Raises:
            KeyError: an array is not there.
            ValueError: an array breaks a promise of the class.
        """
        item_count = arrays[f"{prefix}_item_count"]
        if item_count.shape != () or item_count.dtype != np.int64:
            raise ValueError("item_count must be one int64")
        return cls(
            arrays[f"{prefix}_indptr"],  # type: ignore[arg-type]  # the class checks the dtypes
            arrays[f"{prefix}_items"],  # type: ignore[arg-type]
            arrays[f"{prefix}_ratings"],  # type: ignore[arg-type]
            arrays[f"{prefix}_timestamps"],  # type: ignore[arg-type]
            int(item_count),
        )

    def _keys(self) -> NDArray[np.int64]:
        """One number a pair, ascending because rows and the items in them are. Shape (interactions,)."""
        return self.users.astype(np.int64) * self.item_count + self.items


def _check_dtypes(rows: UserItems) -> None:
    for name, array, dtype in (
        ("indptr", rows.indptr, np.int64),
        ("items", rows.items, np.int32),
        ("ratings", rows.ratings, np.float32),
        ("timestamps", rows.timestamps, np.int64),
    ):
        if array.dtype != dtype or array.ndim != 1:
            raise ValueError(f"{name} must be one-dimensional {np.dtype(dtype).name}")
