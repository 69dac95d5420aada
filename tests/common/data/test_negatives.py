import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.negatives import sample_training_negatives
from common.data.user_items import UserItems
from common.errors import WrongUse
from tests.common.data.random_data import make_rows, rows


@given(rows(items=15), st.integers(0, 5), st.integers(0, 2**40))
def test_training_negatives_are_never_training_items(train: UserItems, per_positive: int, seed: int) -> None:
    negatives = sample_training_negatives(train, per_positive, np.random.default_rng(seed))
    assert negatives.shape == (train.items.size, per_positive)
    for user, drawn in zip(train.users.tolist(), negatives, strict=True):
        assert not set(drawn.tolist()) & set(train.items_of(user).tolist())
        assert all(0 <= item < 15 for item in drawn)


def test_every_other_item_is_drawn_equally_often() -> None:
    train = make_rows([dict.fromkeys(range(5), 0)], 10)
    negatives = sample_training_negatives(train, 2000, np.random.default_rng(1))
    counts = np.bincount(negatives.ravel(), minlength=10)
    assert counts[:5].tolist() == [0] * 5
    assert (np.abs(counts[5:] - 2000) < 200).all()  # a standard deviation is 40


def test_a_user_with_every_item_leaves_no_negatives() -> None:
    with pytest.raises(WrongUse, match="every item"):
        sample_training_negatives(make_rows([{0: 0, 1: 0}], 2), 1, np.random.default_rng(1))
