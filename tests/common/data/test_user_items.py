import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.user_items import NO_ITEM, UserItems
from tests.common.data.random_data import make_rows, rows, with_ratings


def pairs_of(interactions: UserItems) -> list[tuple[int, int, int]]:
    """The slow way: (user, item, timestamp), one by one."""
    return [
        (user, int(interactions.items[at]), int(interactions.timestamps[at]))
        for user in range(interactions.user_count)
        for at in range(int(interactions.indptr[user]), int(interactions.indptr[user + 1]))
    ]


@given(rows(), st.data())
def test_take_gives_each_user_its_own_row(interactions: UserItems, data: st.DataObject) -> None:
    users = data.draw(st.lists(st.integers(0, interactions.user_count - 1), max_size=6))
    taken = interactions.take(np.array(users, dtype=np.int32))
    expected = [
        (row, item, time)
        for row, user in enumerate(users)
        for owner, item, time in pairs_of(interactions)
        if owner == user
    ]
    assert pairs_of(taken) == expected


@given(rows(), st.data())
def test_without_drops_the_given_pairs_and_no_others(interactions: UserItems, data: st.DataObject) -> None:
    pair = st.tuples(st.integers(0, interactions.user_count - 1), st.integers(NO_ITEM, 129))
    there = [(user, item) for user, item, _ in pairs_of(interactions)]
    dropped = data.draw(st.lists(st.sampled_from(there) | pair if there else pair, max_size=8))
    users = np.array([user for user, _ in dropped], dtype=np.int32)
    items = np.array([item for _, item in dropped], dtype=np.int32)
    kept = [entry for entry in pairs_of(interactions) if entry[:2] not in dropped]
    assert pairs_of(interactions.without(users, items)) == kept


@given(rows(items=7, longest=7))
def test_contains_agrees_with_looking_at_every_row(interactions: UserItems) -> None:
    users, items = np.meshgrid(np.arange(interactions.user_count), np.arange(NO_ITEM, 7), indexing="ij")
    expected = [
        [item in interactions.items_of(user) for item in range(NO_ITEM, 7)] for user in range(interactions.user_count)
    ]
    assert interactions.contains(users, items).tolist() == expected


@given(rows(items=7, longest=7))
def test_ratings_of_pairs_are_theirs_and_nan_for_pairs_that_are_not_there(interactions: UserItems) -> None:
    rated = with_ratings(interactions)
    there = {(user, item): rating for (user, item, _), rating in zip(pairs_of(rated), rated.ratings, strict=True)}
    users, items = (grid.ravel() for grid in np.mgrid[0 : rated.user_count, NO_ITEM:7])
    expected = [there.get(pair, np.nan) for pair in zip(users.tolist(), items.tolist(), strict=True)]
    np.testing.assert_array_equal(rated.ratings_of(users, items), np.array(expected, dtype=np.float32))


@given(rows())
def test_named_arrays_bring_the_same_rows_back(interactions: UserItems) -> None:
    again = UserItems.from_arrays(interactions.to_arrays("x"), "x")
    assert pairs_of(again) == pairs_of(interactions)
    assert again.item_count == interactions.item_count


def broken(**changed: object) -> dict[str, object]:
    good: dict[str, object] = {
        "indptr": np.array([0, 2, 3]),
        "items": np.array([0, 4, 1], dtype=np.int32),
        "ratings": np.ones(3, dtype=np.float32),
        "timestamps": np.zeros(3, dtype=np.int64),
        "item_count": 5,
    }
    return good | changed


def test_the_rows_behind_the_broken_ones_are_good() -> None:
    assert UserItems(**broken()).user_count == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"indptr": np.array([0, 3, 2])},
        {"indptr": np.array([1, 2, 3])},
        {"indptr": np.array([0, 2, 4])},
        {"indptr": np.array([], dtype=np.int64)},
        {"indptr": np.array([0, 2, 3], dtype=np.int32)},
        {"items": np.array([4, 0, 1], dtype=np.int32)},
        {"items": np.array([0, 0, 1], dtype=np.int32)},
        {"items": np.array([0, 5, 1], dtype=np.int32)},
        {"items": np.array([-1, 4, 1], dtype=np.int32)},
        {"items": np.array([0, 4, 1], dtype=np.int64)},
        {"ratings": np.array([1, np.nan, 1], dtype=np.float32)},
        {"ratings": np.ones(2, dtype=np.float32)},
        {"timestamps": np.array([0, -1, 0])},
        {"timestamps": np.zeros((3, 1), dtype=np.int64)},
    ],
)
def test_broken_rows_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|outside"):
        UserItems(**broken(**changed))  # type: ignore[arg-type]


def test_items_of_is_a_view() -> None:
    interactions = make_rows([{3: 1, 1: 2}, {}], 5)
    assert interactions.items_of(0).base is interactions.items
    assert interactions.items_of(1).tolist() == []
