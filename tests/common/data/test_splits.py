import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.dataset import Dataset, OfficialSplit
from common.data.movielens_csv import load_bundled
from common.data.negatives import CANDIDATE_COUNT
from common.data.splits import leave_one_out
from common.data.user_items import NO_ITEM, UserItems
from common.errors import WrongUse
from tests.common.data.random_data import make_dataset, make_rows, rows, with_ratings

SEEDS = st.integers(0, 2**40)


def history_of(interactions: UserItems, user: int) -> dict[int, int]:
    times = interactions.timestamps[interactions.indptr[user] : interactions.indptr[user + 1]]
    return dict(zip(interactions.items_of(user).tolist(), times.tolist(), strict=True))


@given(rows(), SEEDS)
def test_the_test_item_is_the_last_and_the_validation_item_the_last_before_it(
    interactions: UserItems, seed: int
) -> None:
    split = leave_one_out(make_dataset(interactions), seed)
    for user in range(interactions.user_count):
        history = history_of(interactions, user)
        if len(history) < 3:
            assert (split.test[user], split.validation[user]) == (NO_ITEM, NO_ITEM)
            continue
        assert history.pop(int(split.test[user])) >= max(history.values())
        assert history.pop(int(split.validation[user])) >= max(history.values())


@given(rows(), SEEDS, st.booleans())
def test_train_validation_test_and_candidates_are_disjoint_and_complete(
    interactions: UserItems, seed: int, train_on_validation: bool
) -> None:
    split = leave_one_out(make_dataset(interactions), seed, train_on_validation)
    for user in range(interactions.user_count):
        held_out = [int(item) for item in (split.validation[user], split.test[user]) if item != NO_ITEM]
        train = split.train.items_of(user).tolist()
        assert sorted(train + held_out) == interactions.items_of(user).tolist()
        candidates = split.candidates[user].tolist()
        if split.test[user] == NO_ITEM:
            assert candidates == [NO_ITEM] * CANDIDATE_COUNT
        else:
            assert len(set(candidates)) == CANDIDATE_COUNT
            assert not set(candidates) & set(interactions.items_of(user).tolist())


@given(rows(), SEEDS)
def test_training_on_validation_moves_the_validation_items_and_nothing_else(interactions: UserItems, seed: int) -> None:
    dataset = make_dataset(interactions)
    chosen, final = leave_one_out(dataset, seed), leave_one_out(dataset, seed, train_on_validation=True)
    assert (final.validation == NO_ITEM).all()
    np.testing.assert_array_equal(final.test, chosen.test)
    np.testing.assert_array_equal(final.candidates, chosen.candidates)
    again = final.train.without(np.arange(interactions.user_count), chosen.validation)
    np.testing.assert_array_equal(again.items, chosen.train.items)


@given(rows(), SEEDS, st.booleans())
def test_a_held_out_rating_is_that_of_the_item_and_nan_where_there_is_none(
    interactions: UserItems, seed: int, train_on_validation: bool
) -> None:
    rated = with_ratings(interactions)
    split = leave_one_out(make_dataset(rated), seed, train_on_validation)
    for held_out, ratings in ((split.validation, split.validation_ratings), (split.test, split.test_ratings)):
        assert ratings.dtype == np.float32
        for user, (item, rating) in enumerate(zip(held_out.tolist(), ratings.tolist(), strict=True)):
            if item == NO_ITEM:
                assert np.isnan(rating)
            else:
                assert rating == rated.ratings[rated.indptr[user] :][rated.items_of(user).tolist().index(item)]


def test_a_seed_repeats_and_another_differs() -> None:
    dataset = make_dataset(make_rows([dict.fromkeys(range(20), 0)] * 5, 150))
    first, again, other = leave_one_out(dataset, 1), leave_one_out(dataset, 1), leave_one_out(dataset, 2)
    np.testing.assert_array_equal(first.test, again.test)
    np.testing.assert_array_equal(first.validation, again.validation)
    np.testing.assert_array_equal(first.candidates, again.candidates)
    assert (first.test != other.test).any()
    assert (first.candidates != other.candidates).any()


def test_ties_and_missing_timestamps_are_broken_evenly() -> None:
    dataset = make_dataset(make_rows([dict.fromkeys(range(4), 0)] * 2000, 150))
    counts = np.bincount(leave_one_out(dataset, 3).test, minlength=4)
    assert (np.abs(counts - 500) < 100).all()  # a standard deviation is 19


def test_an_unknown_timestamp_comes_before_every_known_one() -> None:
    dataset = make_dataset(make_rows([{5: 0, 6: 10, 7: 0, 8: 1}], 150))
    for seed in range(10):
        split = leave_one_out(dataset, seed)
        assert (split.test[0], split.validation[0]) == (6, 8)


def with_official(test: list[int]) -> tuple[Dataset, OfficialSplit]:
    histories = [{item: item for item in range(5)}, {item: item for item in range(5)}, {0: 1, 1: 2}]
    candidates = np.tile(np.arange(10, 10 + CANDIDATE_COUNT, dtype=np.int32), (3, 1))
    official = OfficialSplit(np.array(test, dtype=np.int32), candidates)
    return dataclasses.replace(make_dataset(make_rows(histories, 150)), official_split=official), official


def test_a_published_split_keeps_its_test_items_and_candidates() -> None:
    dataset, official = with_official([2, 4, NO_ITEM])
    split = leave_one_out(dataset, 1)
    assert split.test.tolist() == [2, 4, NO_ITEM]
    assert split.validation.tolist() == [4, 3, NO_ITEM]  # the last of what is left
    np.testing.assert_array_equal(split.candidates[:2], official.candidates[:2])
    assert (split.candidates[2] == NO_ITEM).all()
    assert [split.train.items_of(user).tolist() for user in range(3)] == [[0, 1, 3], [0, 1, 2], [0, 1]]


def test_too_few_items_for_the_candidates_is_wrong_use() -> None:
    dataset = make_dataset(make_rows([{0: 1, 1: 2, 2: 3}], 3 + CANDIDATE_COUNT - 1))
    with pytest.raises(WrongUse, match="all but 98 of the 101 items"):
        leave_one_out(dataset, 1)


def test_every_bundled_user_is_evaluated_on_its_last_rating() -> None:
    dataset = load_bundled()
    split = leave_one_out(dataset, 1)
    assert (split.test != NO_ITEM).all()
    assert (split.validation != NO_ITEM).all()
    assert split.train.items.size == 100_004 - 2 * 671
    for user in range(0, 671, 50):
        history = history_of(dataset.interactions, user)
        assert history[int(split.test[user])] == max(history.values())
