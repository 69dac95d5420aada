"""What a peer computes: how much one update alone improves the model for public volunteers' held-out items.

A model that ranks is judged by how high it ranks those items, one that predicts ratings by how far off it is. Either
way a shard is measured by two figures of which higher is better, and a gain is their difference over the model that was
sent, so that doing nothing gains 0. Both gains lie in [-1, 1]. Errors of ratings are measured by their logarithm: what
counts is by which share they fall (docs/decisions/0005-scores-of-rating-models.md).
"""

from dataclasses import dataclass

import numpy as np

from common.data.probe import ProbeShard
from common.metrics import hit_ratio_at, ndcg_at, ranks
from common.models.model import Arrays, FloatArray, Model
from common.rating_metrics import predicted_ratings

CUTOFF = 10
LEAST_ERROR = 1e-6
"""In rating units: below this a prediction counts as exact, so that every logarithm is finite."""


@dataclass(frozen=True)
class ShardMetrics:
    """Means over a shard's pairs; or, as a difference of two of these, gains. Higher is better.

    Fields:
        first: NDCG@10 on the full catalogue; for ratings, -ln RMSE.
        second: The hit ratio at 10 on the full catalogue; for ratings, -ln MAE.
    """

    first: float
    second: float


def shard_metrics(model: Model, state: Arrays, shard: ProbeShard) -> ShardMetrics:
    """Fold each volunteer in once, then measure its held-out items. Deterministic."""
    scores = model.scores(state, model.fold_in(state, shard.histories))
    if model.rating_range is None:
        return _ranking(scores, shard)
    return _rating_accuracy(scores, shard, model.rating_range)


def state_with_update_alone(model: Model, state: Arrays, update: Arrays, cohort_size: int) -> Arrays:
    """Return the state that the server's step would make if all `cohort_size` clients had sent this update."""
    return model.apply(state, model.fuse([update], [float(cohort_size)]))


def score_update(
    model: Model, state: Arrays, update: Arrays, cohort_size: int, shard: ProbeShard, base: ShardMetrics
) -> ShardMetrics:
    """Return the gain of one update over `base`, the metrics of `state` on the same shard. Doing nothing gains 0."""
    return gain(shard_metrics(model, state_with_update_alone(model, state, update, cohort_size), shard), base)


def gain(applied: ShardMetrics, base: ShardMetrics) -> ShardMetrics:
    """Return the difference, for a caller that scores one applied state on several shards; cut to [-1, 1].

    Only errors of ratings can change by more, to more than e times what they were or less than a third.
    """
    return ShardMetrics(_cut(applied.first - base.first), _cut(applied.second - base.second))


def _cut(difference: float) -> float:
    return max(-1.0, min(1.0, difference))


def _ranking(scores: FloatArray, shard: ProbeShard) -> ShardMetrics:
    """Rank each held-out item in the whole catalogue without the volunteer's history and its other held-out items."""
    rivals = np.ones(scores.shape, dtype=np.bool_)
    volunteers = np.arange(shard.histories.user_count)
    rivals[np.repeat(volunteers, np.diff(shard.histories.indptr)), shard.histories.items] = False
    rivals[shard.held_out_users, shard.held_out_items] = False
    own_scores = scores[shard.held_out_users, shard.held_out_items]
    held_out_ranks = ranks(own_scores, scores[shard.held_out_users], rivals[shard.held_out_users])
    return ShardMetrics(ndcg_at(CUTOFF, held_out_ranks), hit_ratio_at(CUTOFF, held_out_ranks))


def _rating_accuracy(scores: FloatArray, shard: ProbeShard, rating_range: tuple[float, float]) -> ShardMetrics:
    """Compare each held-out rating with its prediction, cut to the range as a person would see it."""
    predicted = predicted_ratings(scores[shard.held_out_users, shard.held_out_items], rating_range)
    errors = np.maximum(np.abs(shard.held_out_ratings - predicted), LEAST_ERROR)
    return ShardMetrics(-float(np.log(np.mean(errors**2))) / 2, -float(np.log(np.mean(errors))))
