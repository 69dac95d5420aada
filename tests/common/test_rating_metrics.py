import math
from typing import ClassVar

import numpy as np
import pytest

from common.data.user_items import NO_ITEM
from common.rating_metrics import predicted_ratings, rating_errors, with_rmse


class TableOfRatings:
    """A user's vector is its row of predictions."""

    rating_range: ClassVar[tuple[float, float] | None] = (1.0, 5.0)

    def scores(self, state, user_vectors):
        return user_vectors


class TableOfScores(TableOfRatings):
    rating_range = None


PREDICTED = np.array([[3.0, 4.0], [9.0, 0.0], [-2.0, 2.0], [1.0, 1.0]], np.float32)
HELD_OUT = np.array([1, 0, 0, NO_ITEM], np.int32)
RATINGS = np.array([2.0, 4.5, 1.5, np.nan], np.float32)


def test_hand_worked_errors_of_three_users_with_predictions_cut_to_the_range():
    errors = rating_errors(TableOfRatings(), {}, PREDICTED, HELD_OUT, RATINGS)  # 2 - 4, 4.5 - 5, 1.5 - 1
    assert errors == pytest.approx({"mse": (4 + 0.25 + 0.25) / 3, "mae": 1.0})


def test_there_are_none_without_ratings_or_held_out_items():
    nobody = np.full(4, NO_ITEM, np.int32)
    assert rating_errors(TableOfRatings(), {}, PREDICTED, nobody, RATINGS) == {}
    assert rating_errors(TableOfScores(), {}, PREDICTED, HELD_OUT, RATINGS) == {}


def test_many_users_are_scored_in_groups():
    rng = np.random.default_rng(0)
    predicted, held_out = rng.uniform(1, 5, (700, 3)).astype(np.float32), rng.integers(0, 3, 700).astype(np.int32)
    ratings = rng.uniform(1, 5, 700).astype(np.float32)
    off = ratings - predicted[np.arange(700), held_out]
    errors = rating_errors(TableOfRatings(), {}, predicted, held_out, ratings)
    assert errors == pytest.approx({"mse": np.mean(off**2), "mae": np.mean(np.abs(off))}, rel=1e-6)


def test_predictions_are_cut_to_the_range():
    assert predicted_ratings(np.array([-1, 1, 3.5, 7], np.float32), (1.0, 5.0)).tolist() == [1.0, 1.0, 3.5, 5.0]


def test_the_root_is_taken_of_mean_squared_errors_and_of_nothing_else():
    metrics = {"test_mse": 4.0, "mse": 9.0, "test_mae": 4.0, "ndcg_at_10": 0.25}
    assert with_rmse(metrics) == {"test_rmse": 2.0, "rmse": 3.0, "test_mae": 4.0, "ndcg_at_10": 0.25}
    assert math.isclose(with_rmse({"validation_mse": 2.0})["validation_rmse"], math.sqrt(2))
