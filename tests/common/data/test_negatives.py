import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.negatives import sample_training_negatives
from common.data.user_items import UserItems
from common.errors import WrongUse
from tests.common.data.random_data import make_rows, rows


@given(rows(items=15), st.integers(0, 5), st.integers(0, 2**64 - 1))
def test_training_negatives_are_never_training_items(train: UserItems, per_positive: int, seed: int) -> None:
    negatives = sample_training_negatives(train, per_positive, seed)
    assert negatives.shape == (train.items.size, per_positive)
    for user, drawn in zip(train.users.tolist(), negatives, strict=True):
        assert not set(drawn.tolist()) & set(train.items_of(user).tolist())
        assert all(0 <= item < 15 for item in drawn)


def test_every_other_item_is_drawn_equally_often() -> None:
    train = make_rows([dict.fromkeys(range(5), 0)], 10)
    negatives = sample_training_negatives(train, 2000, 1)
    counts = np.bincount(negatives.ravel(), minlength=10)
    assert counts[:5].tolist() == [0] * 5
    assert (np.abs(counts[5:] - 2000) < 200).all()  # a standard deviation is 40


def test_a_user_with_every_item_leaves_no_negatives() -> None:
    with pytest.raises(WrongUse, match="every item"):
        sample_training_negatives(make_rows([{0: 0, 1: 0}], 2), 1, 1)


@given(rows(items=15), st.integers(0, 2**64 - 1))
def test_a_users_negatives_are_the_same_with_whomever_it_is_trained(train: UserItems, key: int) -> None:
    together = sample_training_negatives(train, 3, key)
    assert np.array_equal(together, sample_training_negatives(train, 3, key))
    for user in range(train.user_count):
        alone = sample_training_negatives(train.take(np.array([user])), 3, key)
        assert np.array_equal(alone, together[train.indptr[user] : train.indptr[user + 1]])


def test_another_key_or_another_history_draws_other_negatives() -> None:
    train = make_rows([dict.fromkeys(range(20), 0), dict.fromkeys(range(1, 21), 0)], 1000)
    first, second = (sample_training_negatives(train, 4, key) for key in (1, 2))
    assert np.mean(first == second) < 0.02
    assert np.mean(first[:20] == first[20:]) < 0.05


def test_draws_of_neighbouring_keys_are_as_uniform_as_chance() -> None:
    train = make_rows([dict.fromkeys(range(50, 60), 0)], 60)
    counts = np.zeros(60)
    for key in range(400):
        counts += np.bincount(sample_training_negatives(train, 5, key).ravel(), minlength=60)
    chi_squared = np.sum((counts[:50] - 400) ** 2 / 400)  # 49 degrees of freedom, standard deviation 10
    assert 15 < chi_squared < 95
