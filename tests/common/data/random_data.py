"""Small random data sets for property tests."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from common.data.dataset import Dataset
from common.data.user_items import UserItems

GENRES = ("Action", "Comedy", "Drama")


def make_rows(histories: list[dict[int, int]], item_count: int) -> UserItems:
    """Build rows from {item: timestamp} for each user."""
    users = [user for user, history in enumerate(histories) for _ in history]
    items = [item for history in histories for item in history]
    timestamps = [timestamp for history in histories for timestamp in history.values()]
    return UserItems.from_pairs(
        np.array(users, dtype=np.int32),
        np.array(items, dtype=np.int32),
        np.ones(len(items), dtype=np.float32),
        np.array(timestamps, dtype=np.int64),
        user_count=len(histories),
        item_count=item_count,
    )


def with_ratings(interactions: UserItems) -> UserItems:
    """The same pairs, each with a rating that follows from it: 0.5 to 5 in halves."""
    halves = 1 + (3 * interactions.users + interactions.items) % 10
    return replace(interactions, ratings=(halves / 2).astype(np.float32))


def make_dataset(interactions: UserItems) -> Dataset:
    """Give the rows names, and every item one genre."""
    return Dataset(
        "random",
        interactions,
        tuple(f"u{user}" for user in range(interactions.user_count)),
        tuple(f"i{item}" for item in range(interactions.item_count)),
        None,
        tuple((GENRES[item % 3],) for item in range(interactions.item_count)),
        {},
    )


@st.composite
def rows(draw: st.DrawFn, users: tuple[int, int] = (1, 10), items: int = 130, longest: int = 12) -> UserItems:
    """Users with 0 to `longest` interactions; few distinct timestamps, so many ties, and some unknown."""
    lengths = draw(st.lists(st.integers(0, longest), min_size=users[0], max_size=users[1]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return make_rows(
        [
            dict(
                zip(
                    rng.choice(items, length, replace=False).tolist(),
                    rng.integers(0, 5, size=length).tolist(),
                    strict=True,
                )
            )
            for length in lengths
        ],
        items,
    )
