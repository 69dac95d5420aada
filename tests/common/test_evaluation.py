import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.user_items import NO_ITEM, UserItems
from common.evaluation import Evaluation, catalogue_ranks, evaluate, pooled


class TableOfScores:
    """A user's vector is its row of scores."""

    def scores(self, state, user_vectors):
        return user_vectors


def user_items(*rows, item_count):
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    ones, zeros = np.ones(len(items)), np.zeros(len(items), int)
    return UserItems.from_pairs(users, items, ones, zeros, user_count=len(rows), item_count=item_count)


def numbers(*values):
    return np.array(values, np.int32)


def test_hand_worked_ranking_of_two_users():
    scores = np.array([[9, 8, 7, 6, 5, 4], [1, 2, 3, 4, 5, 6]], np.float32)
    train = user_items([0], [5], item_count=6)
    # user 0 looks for item 3: item 0 is known, 1 and 2 are ahead. User 1 looks for item 4: item 5 is known.
    held_out = numbers(3, 4)
    candidates = np.array([[4, 5], [0, 1]], np.int32)
    measured = evaluate(TableOfScores(), {}, scores, train, held_out, candidates)
    assert measured.users == 2
    assert measured.metrics["mrr_at_10"] == 1.0
    assert measured.metrics["full_mrr_at_10"] == pytest.approx((1 / 3 + 1) / 2)
    # item 1 was the validation item of user 0, user 1 had none
    measured = evaluate(TableOfScores(), {}, scores, train, held_out, candidates, numbers(1, NO_ITEM))
    assert measured.metrics["full_mrr_at_10"] == pytest.approx((1 / 2 + 1) / 2)


def test_users_without_a_held_out_item_are_skipped():
    scores = np.array([[1, 2, 3], [3, 2, 1]], np.float32)
    candidates = np.full((2, 1), NO_ITEM, np.int32)
    measured = evaluate(TableOfScores(), {}, scores, user_items([], [], item_count=3), numbers(NO_ITEM, 0), candidates)
    assert measured.users == 1
    assert measured.metrics["full_hit_ratio_at_5"] == 1.0
    nobody = evaluate(
        TableOfScores(), {}, scores, user_items([], [], item_count=3), numbers(NO_ITEM, NO_ITEM), candidates
    )
    assert nobody.users == 0
    assert math.isnan(nobody.metrics["ndcg_at_10"])


def test_a_held_out_item_among_its_own_candidates_is_not_its_rival():
    scores = np.array([[3, 2, 1]], np.float32)
    measured = evaluate(
        TableOfScores(), {}, scores, user_items([], item_count=3), numbers(0), np.array([[0, 1, NO_ITEM]], np.int32)
    )
    assert measured.metrics["mrr_at_5"] == 1.0


def test_a_model_with_one_score_for_everything_hits_nothing():
    train = user_items(*[[]] * 3, item_count=120)
    candidates = np.tile(np.arange(1, 100, dtype=np.int32), (3, 1))
    for value in (0.0, math.nan):
        scores = np.full((3, 120), value, np.float32)
        metrics = evaluate(TableOfScores(), {}, scores, train, numbers(0, 0, 0), candidates).metrics
        assert not any(metrics.values())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_catalogue_ranks_match_a_sorted_list(seed):
    rng = np.random.default_rng(seed)
    users, items = 6, 15
    scores = rng.integers(0, 6, (users, items)).astype(np.float32)
    known = [sorted(rng.choice(items, rng.integers(0, 6), replace=False).tolist()) for _ in range(users)]
    held_out = rng.integers(0, items, users).astype(np.int32)
    also_known = rng.integers(-1, items, users).astype(np.int32)
    expected = []
    for user in range(users):
        rivals = set(range(items)) - set(known[user]) - {int(held_out[user]), int(also_known[user])}
        # worst first among equals: the held-out item goes behind every rival of its score
        ordered = sorted([*rivals, int(held_out[user])], key=lambda i: (-scores[user, i], i == held_out[user]))
        expected.append(ordered.index(int(held_out[user])) + 1)
    ranked = catalogue_ranks(scores, held_out, user_items(*known, item_count=items), also_known)
    assert ranked.tolist() == expected


def test_more_users_than_one_chunk_give_the_same_means():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(700, 30)).astype(np.float32)
    train, held_out = user_items(*[[]] * 700, item_count=30), rng.integers(0, 30, 700).astype(np.int32)
    candidates = rng.integers(0, 30, (700, 9)).astype(np.int32)
    whole = evaluate(TableOfScores(), {}, scores, train, held_out, candidates)
    halves = [
        evaluate(TableOfScores(), {}, scores[half], train.take(np.arange(700)[half]), held_out[half], candidates[half])
        for half in (slice(0, 100), slice(100, 700))
    ]
    assert pooled(halves).users == whole.users == 700
    assert pooled(halves).metrics == pytest.approx(whole.metrics)


def test_pooling_passes_over_groups_without_users():
    empty, one = Evaluation({"ndcg_at_10": math.nan}, 0), Evaluation({"ndcg_at_10": 0.25}, 3)
    assert pooled([empty, one]) == one
    assert pooled([empty]).users == 0
