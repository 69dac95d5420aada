import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.dataset import Dataset
from common.data.genres import genre_counts
from common.data.movielens_csv import load_bundled
from common.data.partition import partition_users, summarise_partition
from common.data.user_items import UserItems
from common.errors import WrongUse
from tests.common.data.random_data import GENRES, make_dataset, make_rows, rows

SCHEMES = ("even", "amount", "taste")


@pytest.fixture(scope="module")
def bundled() -> Dataset:
    return load_bundled()


@given(rows(users=(2, 30)), st.data(), st.sampled_from(SCHEMES), st.integers(0, 2**40), st.floats(1e-3, 1e3))
def test_every_user_is_in_exactly_one_client_and_no_client_is_empty(
    interactions: UserItems, data: st.DataObject, scheme: str, seed: int, alpha: float
) -> None:
    clients = data.draw(st.integers(2, interactions.user_count))
    parts = partition_users(make_dataset(interactions), clients, scheme, seed, alpha)
    assert len(parts) == clients
    assert all(part.size > 0 and part.dtype == np.int32 and (np.diff(part) > 0).all() for part in parts)
    assert sorted(np.concatenate(parts).tolist()) == list(range(interactions.user_count))
    if scheme != "amount":
        assert max(part.size for part in parts) - min(part.size for part in parts) <= 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_repeats_and_another_differs(bundled: Dataset, scheme: str) -> None:
    first, again, other = (partition_users(bundled, 7, scheme, seed) for seed in (1, 1, 2))
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert [part.tolist() for part in first] != [part.tolist() for part in other]


def test_a_small_concentration_makes_amounts_uneven(bundled: Dataset) -> None:
    def spread(alpha: float) -> float:
        sizes = [[part.size for part in partition_users(bundled, 10, "amount", seed, alpha)] for seed in range(10)]
        return float(np.std(sizes))

    assert spread(0.1) > 2 * spread(1.0) > 4 * spread(10.0)


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e6])
def test_an_extreme_concentration_still_reaches_everybody(bundled: Dataset, alpha: float) -> None:
    sizes = [part.size for part in partition_users(bundled, 5, "amount", 1, alpha)]
    assert (sum(sizes), min(sizes) >= 1) == (671, True)


def test_taste_puts_users_of_one_dominant_genre_together(bundled: Dataset) -> None:
    _, counts = genre_counts(bundled)
    dominant = counts.argmax(axis=1)

    def agreement(scheme: str) -> float:
        parts = partition_users(bundled, 5, scheme, 1)
        return float(sum(np.bincount(dominant[part]).max() for part in parts)) / 671

    assert agreement("taste") > agreement("even") + 0.2


def test_one_user_a_client(bundled: Dataset) -> None:
    parts = partition_users(bundled, 671, "single-user", 1)
    assert [part.tolist() for part in parts] == [[user] for user in range(671)]
    with pytest.raises(WrongUse, match="set --clients 671"):
        partition_users(bundled, 5, "single-user", 1)


def without_genres(dataset: Dataset) -> Dataset:
    return dataclasses.replace(dataset, genres=None)


@pytest.mark.parametrize(
    ("clients", "scheme", "alpha", "message"),
    [
        (1, "even", 0.5, "at least 2 clients, not 1"),
        (0, "even", 0.5, "at least 2 clients, not 0"),
        (672, "even", 0.5, "671 users, too few for 672 clients"),
        (5, "round", 0.5, "no partition 'round'"),
        (5, "amount", 0.0, "--partition-alpha"),
        (5, "amount", math.nan, "--partition-alpha"),
        (5, "taste", 0.5, "no genres"),
    ],
)
def test_what_cannot_be_partitioned_is_wrong_use(
    bundled: Dataset, clients: int, scheme: str, alpha: float, message: str
) -> None:
    with pytest.raises(WrongUse, match=message):
        partition_users(without_genres(bundled), clients, scheme, 1, alpha)


def test_a_summary_says_what_a_client_got() -> None:
    # items 0, 3 are Action, 1 Comedy, 2 Drama
    dataset = make_dataset(make_rows([{0: 1, 1: 1}, {0: 1, 3: 1, 2: 1}, {1: 1}, {}], 4))
    parts = (np.array([0, 1], dtype=np.int32), np.array([2], dtype=np.int32), np.array([3], dtype=np.int32))
    first, second, third = summarise_partition(dataset, parts)
    assert (first.client, first.users, first.interactions, first.distinct_items) == (0, 2, 5, 4)
    assert (first.mean_ratings_per_user, first.top_genre) == (2.5, "Action")
    assert (second.client, second.interactions, second.top_genre) == (1, 1, "Comedy")
    assert (third.interactions, third.mean_ratings_per_user, third.top_genre) == (0, 0.0, None)
    assert summarise_partition(without_genres(dataset), parts)[0].top_genre is None


@given(rows())
def test_genre_counts_agree_with_counting_one_by_one(interactions: UserItems) -> None:
    names, counts = genre_counts(make_dataset(interactions))
    assert names == GENRES
    for user in range(interactions.user_count):
        items = interactions.items_of(user).tolist()
        assert counts[user].tolist() == [sum(item % 3 == genre for item in items) for genre in range(3)]
