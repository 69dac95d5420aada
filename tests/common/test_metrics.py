import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.metrics import hit_ratio_at, mrr_at, ndcg_at, ranking_metrics, ranks

NAN = math.nan


def ranks_of(positive, rivals):
    rivals = np.array([rivals], np.float32)
    return int(ranks(np.array([positive], np.float32), rivals, np.ones(rivals.shape, bool))[0])


@pytest.mark.parametrize(
    ("positive", "rivals", "rank"),
    [
        (3.0, [1.0, 2.0], 1),
        (2.0, [1.0, 3.0], 2),
        (2.0, [2.0, 1.0], 2),
        (2.0, [2.0, 2.0], 3),
        (NAN, [1.0, 2.0], 3),
        (2.0, [NAN, 1.0], 2),
        (NAN, [NAN], 2),
        (-math.inf, [-math.inf, 0.0], 3),
        (math.inf, [1.0, math.inf], 2),
        (0.0, [-0.0], 2),
        (1.0, [], 1),
    ],
)
def test_ties_and_nan_count_against_the_held_out_item(positive, rivals, rank):
    assert ranks_of(positive, rivals) == rank


def test_columns_that_are_no_rivals_do_not_count():
    scores = np.array([[9.0, 5.0, NAN, 2.0]], np.float32)
    counted = np.array([[False, True, False, True]])
    assert ranks(np.array([3.0], np.float32), scores, counted).tolist() == [2]


def test_hand_worked_metrics():
    held_out_ranks = np.array([1, 2, 5, 6, 11, 100])
    assert hit_ratio_at(5, held_out_ranks) == pytest.approx(3 / 6)
    assert hit_ratio_at(10, held_out_ranks) == pytest.approx(4 / 6)
    assert mrr_at(5, held_out_ranks) == pytest.approx((1 + 1 / 2 + 1 / 5) / 6)
    assert ndcg_at(5, held_out_ranks) == pytest.approx((1 + 1 / math.log2(3) + 1 / math.log2(6)) / 6)
    # rank 1 is worth 1, rank 3 is worth 1 / log2(4) = 1/2, rank 7 is worth 1 / log2(8) = 1/3
    assert ndcg_at(10, np.array([1, 3, 7])) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_names_and_the_identity_of_map_and_mrr():
    metrics = ranking_metrics(np.array([1, 4, 30]), prefix="full_", cutoffs=(5, 20))
    names = [f"full_{name}_at_{k}" for k in (5, 20) for name in ("hit_ratio", "ndcg", "map", "mrr")]
    assert list(metrics) == names
    assert metrics["full_map_at_5"] == metrics["full_mrr_at_5"] == pytest.approx((1 + 1 / 4) / 3)


def test_no_rows_have_no_mean():
    assert all(math.isnan(value) for value in ranking_metrics(np.empty(0, np.int64)).values())


def slow_rank(positive, rivals, counted):
    rank = 1
    for rival, counts in zip(rivals, counted, strict=True):
        if counts and not rival < positive:
            rank += 1
    return rank


FEW_VALUES = st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 1.0, math.inf, NAN])


@given(data=st.data(), rows=st.integers(0, 5), rivals=st.integers(0, 6))
def test_ranks_match_a_slow_count(data, rows, rivals):
    scores = data.draw(npst.arrays(np.float32, (rows, rivals), elements=FEW_VALUES))
    positive = data.draw(npst.arrays(np.float32, rows, elements=FEW_VALUES))
    counted = data.draw(npst.arrays(np.bool_, (rows, rivals)))
    expected = [slow_rank(*row) for row in zip(positive, scores, counted, strict=True)]
    assert ranks(positive, scores, counted).tolist() == expected


@given(held_out_ranks=npst.arrays(np.int64, st.integers(1, 20), elements=st.integers(1, 200)), k=st.integers(1, 50))
def test_metrics_lie_in_order_between_zero_and_one(held_out_ranks, k):
    hit, ndcg, mrr = (metric(k, held_out_ranks) for metric in (hit_ratio_at, ndcg_at, mrr_at))
    assert 0 <= mrr <= ndcg + 1e-12 <= hit + 2e-12 <= 1 + 3e-12
    assert hit <= hit_ratio_at(k + 1, held_out_ranks)
    assert ndcg <= ndcg_at(k + 1, held_out_ranks) + 1e-12
    better = np.maximum(held_out_ranks - 1, 1)
    assert ndcg <= ndcg_at(k, better) + 1e-12


@given(npst.arrays(np.float32, (4, 7), elements=st.floats(-10, 10, width=32)), st.permutations(range(7)))
def test_the_order_of_the_rivals_does_not_matter(scores, order):
    positive, counted = scores[:, 0], np.ones(scores.shape, bool)
    assert ranks(positive, scores, counted).tolist() == ranks(positive, scores[:, order], counted).tolist()
