"""The gate: alpha leaves 1 for a local predictor that is better for certain, and for no other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from client.personalisation.gate import ALPHAS, LEAST_USERS, hold_out, learnt_alpha, scheduled_alpha
from client.personalisation.predictor import Predictor, standardised
from common.data.user_items import NO_ITEM, UserItems
from common.models import Arrays, FloatArray

USERS, ITEMS = 40, 200


@dataclass(frozen=True)
class Table:
    """Scores that are given: the state's rows, by the user vector's only number."""

    rating_range: ClassVar[None] = None

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        table: FloatArray = state["table"][user_vectors[:, 0].astype(int)]
        return table


def histories(rng: np.random.Generator, users: int = USERS, per_user: int = 6) -> UserItems:
    items = np.concatenate([rng.choice(ITEMS, per_user, replace=False) for _ in range(users)])
    rows = np.repeat(np.arange(users), per_user)
    times = np.tile(np.arange(1, per_user + 1), users)
    return UserItems.from_pairs(rows, items, np.ones(len(items)), times, user_count=users, item_count=ITEMS)


def chosen(of_global: FloatArray, of_local: FloatArray, rest: UserItems, held_out: np.ndarray) -> float:
    vectors = np.arange(rest.user_count, dtype=np.float32)[:, None]
    return learnt_alpha(
        (Table(), {"table": of_global}, vectors), (Table(), {"table": of_local}, vectors), rest, held_out
    )


def knowing(rng: np.random.Generator, held_out: np.ndarray, boost: float) -> FloatArray:
    table = rng.normal(size=(len(held_out), ITEMS)).astype(np.float32)
    table[np.arange(len(held_out)), held_out] += boost
    return table


def test_the_better_predictor_is_chosen_whatever_its_scale() -> None:
    rng = np.random.default_rng(1)
    rest, held_out = hold_out(histories(rng), rng)
    good, noise = knowing(rng, held_out, 4.0), knowing(rng, held_out, 0.0)
    assert chosen(good, noise, rest, held_out) == 1
    assert chosen(noise, good, rest, held_out) <= 0.2
    assert chosen(1000 * noise + 7, good / 1000, rest, held_out) <= 0.2


def test_two_halves_of_the_truth_are_mixed() -> None:
    rng = np.random.default_rng(2)
    rest, held_out = hold_out(histories(rng), rng)
    one, other = knowing(rng, held_out, 2.0), knowing(rng, held_out, 2.0)
    assert 0 < chosen(one, other, rest, held_out) < 1


def test_a_local_predictor_that_is_no_better_is_seldom_believed() -> None:
    believed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rest, held_out = hold_out(histories(rng), rng)
        noise = [knowing(rng, held_out, 0.0) for _ in range(2)]
        believed += chosen(*noise, rest, held_out) < 1
    assert believed <= 8  # of two kinds of chance, the global one is kept unless the other wins by two standard errors


def test_with_few_users_the_global_predictor_is_kept() -> None:
    rng = np.random.default_rng(3)
    rest, held_out = hold_out(histories(rng, users=LEAST_USERS - 1), rng)
    assert chosen(knowing(rng, held_out, 0.0), knowing(rng, held_out, 9.0), rest, held_out) == 1


def test_the_last_training_item_is_held_out_of_users_with_three() -> None:
    rows = [0, 0, 0, 1, 1, 2, 2, 2, 2]
    items = [5, 1, 3, 4, 7, 0, 2, 8, 9]
    times = [1, 9, 4, 1, 2, 6, 6, 1, 1]
    train = UserItems.from_pairs(
        np.array(rows), np.array(items), np.ones(9), np.array(times), user_count=4, item_count=10
    )
    rest, held_out = hold_out(train, np.random.default_rng(1))
    assert held_out[0] == 1
    assert held_out[1] == held_out[3] == NO_ITEM
    assert held_out[2] in (0, 2)
    assert rest.counts.tolist() == [2, 2, 3, 0]
    assert not rest.contains(np.arange(4), held_out).any()


def test_the_schedule_rises_from_the_local_predictor_to_the_global_one() -> None:
    alphas = [scheduled_alpha(rounds) for rounds in range(20)]
    assert alphas[0] == 0
    assert alphas == sorted(set(alphas))
    assert alphas[-1] == pytest.approx(0.95)
    assert ALPHAS[0] == 1
    assert ALPHAS[-1] == 0


@given(
    npst.arrays(np.float32, (3, 20), elements=st.integers(-1000, 1000).map(float)),
    st.integers(1, 1000).map(float),
    st.integers(-1000, 1000).map(float),
)
def test_standardised_scores_do_not_depend_on_scale_and_keep_their_order(
    scores: FloatArray, factor: float, offset: float
) -> None:
    standard = standardised(scores)
    assert np.allclose(standard, standardised(np.float32(factor) * scores + np.float32(offset)), atol=1e-2)
    assert np.array_equal(scores[:, :1] < scores, standard[:, :1] < standard)
    assert np.allclose(standard.mean(axis=1), 0, atol=1e-4)


def test_alpha_is_the_share_of_the_global_predictor() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(2, 3, ITEMS)).astype(np.float32)
    vectors = np.repeat(np.arange(3, dtype=np.float32)[:, None], 2, axis=1)

    def scores(alpha: float) -> FloatArray:
        return Predictor(Table(), {"table": one}, Table(), {"table": other}, alpha, 1).scores({}, vectors)

    assert scores(1.0).tobytes() == one.tobytes()
    assert scores(0.0).tobytes() == other.tobytes()
    expected = 0.8 * standardised(one) + 0.2 * standardised(other)
    assert np.allclose(scores(0.8), expected, atol=1e-6)
