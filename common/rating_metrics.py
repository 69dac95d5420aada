"""How far predicted ratings are from the ratings that were held out: errors that can be averaged over users.

RMSE is the root of the mean over all users, not the mean of roots. So what is measured on some of the users is the mean
squared error, and the root is taken last, of the mean over everybody.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import NO_ITEM
from common.evaluation import USERS_SCORED_TOGETHER, Scorer
from common.models.model import Arrays, FloatArray


def predicted_ratings(scores: FloatArray, rating_range: tuple[float, float]) -> NDArray[np.float64]:
    """Cut scores to the public range of ratings: no rating lies outside, so a prediction can only get better."""
    return np.clip(scores.astype(np.float64), *rating_range)


def rating_errors(
    scorer: Scorer,
    state: Arrays,
    user_vectors: FloatArray,
    held_out: NDArray[np.int32],
    held_out_ratings: NDArray[np.float32],
) -> dict[str, float]:
    """Measure the predicted rating of each user's held-out item.

    Args:
        scorer: Predicts ratings or, where its `rating_range` is None, does not.
        state: Of the scorer.
        user_vectors: Shape (users, factors).
        held_out: The rated item, or NO_ITEM: the user is skipped. Shape (users,).
        held_out_ratings: Shape (users,).

    Returns:
        "mse", in squared rating units, and "mae", in rating units: means over the users that are not skipped. Empty
        where no ratings are predicted, or nobody has a held-out item.
    """
    users = np.flatnonzero(held_out != NO_ITEM)
    if scorer.rating_range is None or not users.size:
        return {}
    errors = np.empty(users.size)
    for start in range(0, users.size, USERS_SCORED_TOGETHER):
        group = users[start : start + USERS_SCORED_TOGETHER]
        scores = scorer.scores(state, user_vectors[group])[np.arange(group.size), held_out[group]]
        predicted = predicted_ratings(scores, scorer.rating_range)
        errors[start : start + group.size] = held_out_ratings[group] - predicted
    return {"mse": float(np.mean(errors**2)), "mae": float(np.mean(np.abs(errors)))}


def with_rmse(metrics: Mapping[str, float]) -> dict[str, float]:
    """Put the root mean squared error where a mean squared error over all users stands, as for "test_mse"."""
    rooted = {}
    for name, value in metrics.items():
        if name == "mse" or name.endswith("_mse"):
            rooted[f"{name.removesuffix('mse')}rmse"] = math.sqrt(value)
        else:
            rooted[name] = value
    return rooted
