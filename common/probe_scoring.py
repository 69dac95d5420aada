"""What a peer computes: how much one update alone improves the model for public volunteers' held-out items.

A model that ranks is judged by how high it ranks those items, one that predicts ratings by how far off it is. Either
way a shard is measured by two figures of which higher is better, and a gain is their difference over the model that was
sent, so that doing nothing gains 0. Both gains lie in [-1, 1]. Errors of ratings are measured by their logarithm: what
counts is by which share they fall (docs/decisions/0005-scores-of-rating-models.md).

Many updates are scored on one shard, against one model. `MeasuredShard` keeps what does not depend on the update, and
computes again what the update changes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.probe import ProbeShard
from common.metrics import IntArray, hit_ratio_at, ndcg_at
from common.models.model import Arrays, FloatArray, Model
from common.models.refold import refold_of
from common.rating_metrics import predicted_ratings

CUTOFF = 10
LEAST_ERROR = 1e-6
"""In rating units: below this a prediction counts as exact, so that every logarithm is finite."""
VOLUNTEERS_SCORED_TOGETHER = 256
"""Times the catalogue: the memory that scoring needs."""


@dataclass(frozen=True)
class ShardMetrics:
    """Means over a shard's pairs; or, as a difference of two of these, gains. Higher is better.

    Fields:
        first: NDCG@10 on the full catalogue; for ratings, -ln RMSE.
        second: The hit ratio at 10 on the full catalogue; for ratings, -ln MAE.
    """

    first: float
    second: float


class MeasuredShard:
    """The model that was sent, measured on a shard. Deterministic.

    Attributes:
        metrics: Of that model.
    """

    def __init__(self, model: Model, state: Arrays, shard: ProbeShard) -> None:
        """Fold each volunteer in once, then measure its held-out items."""
        self._model, self._shard = model, shard
        vectors, self._refold = refold_of(model, state, shard.histories)
        self.metrics = _measured(model, state, vectors, shard)

    def gain(self, applied: Arrays) -> ShardMetrics:
        """Return the gain of the state that an update alone leads to, see `state_with_update_alone`."""
        return gain(_measured(self._model, applied, self._refold(applied), self._shard), self.metrics)


def gain(applied: ShardMetrics, base: ShardMetrics) -> ShardMetrics:
    """Return the difference, cut to [-1, 1].

    Only errors of ratings can change by more, to more than e times what they were or less than a third.
    """
    return ShardMetrics(_cut(applied.first - base.first), _cut(applied.second - base.second))


def shard_metrics(model: Model, state: Arrays, shard: ProbeShard) -> ShardMetrics:
    """Measure one state alone: fold each volunteer in, then measure its held-out items."""
    return _measured(model, state, model.fold_in(state, shard.histories), shard)


def state_with_update_alone(model: Model, state: Arrays, update: Arrays, cohort_size: int) -> Arrays:
    """Return the state that the server's step would make if all `cohort_size` clients had sent this update.

    But the steps taken stay as they are. What a sampled loss draws against a volunteer's items follows from them, and a
    gain is between two models that are measured on the same draw: on another one, doing nothing would not gain 0.
    """
    applied = model.apply(state, model.fuse([update], [float(cohort_size)]))
    return applied | {name: state[name].copy() for name in applied if name.endswith("steps") and name in state}


def _cut(difference: float) -> float:
    return max(-1.0, min(1.0, difference))


def _measured(model: Model, state: Arrays, vectors: FloatArray, shard: ProbeShard) -> ShardMetrics:
    """Measure volunteers that were folded in. Shape of the vectors: (volunteers, factors)."""
    bounds = np.searchsorted(shard.held_out_users, np.arange(len(vectors) + 1))
    found: list[NDArray[np.generic]] = []
    for start in range(0, len(vectors), VOLUNTEERS_SCORED_TOGETHER):
        end = min(start + VOLUNTEERS_SCORED_TOGETHER, len(vectors))
        scores = model.scores(state, vectors[start:end])
        pairs = slice(bounds[start], bounds[end])
        rows, items = shard.held_out_users[pairs] - start, shard.held_out_items[pairs]
        if model.rating_range is None:
            known = shard.histories.take(np.arange(start, end))
            found.append(_ranks(scores, (known.users, known.items), (rows, items)))
        else:
            predicted = predicted_ratings(scores[rows, items], model.rating_range)
            found.append(shard.held_out_ratings[pairs] - predicted)
    if model.rating_range is None:
        held_out_ranks = np.concatenate(found).astype(np.int64)
        return ShardMetrics(ndcg_at(CUTOFF, held_out_ranks), hit_ratio_at(CUTOFF, held_out_ranks))
    errors = np.maximum(np.abs(np.concatenate(found).astype(np.float64)), LEAST_ERROR)
    return ShardMetrics(-float(np.log(np.mean(errors**2))) / 2, -float(np.log(np.mean(errors))))


def _ranks(
    scores: FloatArray,
    known: tuple[NDArray[np.int32], NDArray[np.int32]],
    held_out: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> IntArray:
    """Rank each held-out item in the catalogue without what is known of the volunteer and its other held-out items.

    The ranks are those of `common.metrics.ranks`, but no row is copied for each of a volunteer's items.

    Args:
        scores: Shape (volunteers, items). Written over.
        known: Pairs of volunteer and item.
        held_out: Likewise, shape (pairs,).
    """
    own = scores[held_out]
    for pairs in (known, held_out):
        scores[pairs] = -np.inf  # no rival: below whatever has a place to lose
    rivals = scores.shape[1] - sum(np.bincount(rows, minlength=len(scores)) for rows, _ in (known, held_out))
    above = [np.count_nonzero(~(scores[row] < score)) for row, score in zip(held_out[0].tolist(), own, strict=True)]
    # to a NaN or -inf the rest of the row is no rival either, and every rival wins
    lost = np.where(own > -np.inf, np.array(above, dtype=np.int64), rivals[held_out[0]])
    return 1 + lost
