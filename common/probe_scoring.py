"""What a peer computes: how much one update alone improves the ranking of public volunteers' held-out items."""

from dataclasses import dataclass

import numpy as np

from common.data.probe import ProbeShard
from common.metrics import hit_ratio_at, ndcg_at, ranks
from common.models.model import Arrays, Model

CUTOFF = 10


@dataclass(frozen=True)
class ShardMetrics:
    """Means over a shard's pairs, on the full catalogue; or, as a difference of two of these, gains."""

    ndcg_at_10: float
    hit_ratio_at_10: float


def shard_metrics(model: Model, state: Arrays, shard: ProbeShard) -> ShardMetrics:
    """Fold each volunteer in once, then rank each of its held-out items.

    The rivals are the whole catalogue without the volunteer's history and without its other held-out items.
    Deterministic.
    """
    scores = model.scores(state, model.fold_in(state, shard.histories))
    rivals = np.ones(scores.shape, dtype=np.bool_)
    volunteers = np.arange(shard.histories.user_count)
    rivals[np.repeat(volunteers, np.diff(shard.histories.indptr)), shard.histories.items] = False
    rivals[shard.held_out_users, shard.held_out_items] = False
    own_scores = scores[shard.held_out_users, shard.held_out_items]
    held_out_ranks = ranks(own_scores, scores[shard.held_out_users], rivals[shard.held_out_users])
    return ShardMetrics(ndcg_at(CUTOFF, held_out_ranks), hit_ratio_at(CUTOFF, held_out_ranks))


def state_with_update_alone(model: Model, state: Arrays, update: Arrays, cohort_size: int) -> Arrays:
    """Return the state that the server's step would make if all `cohort_size` clients had sent this update."""
    return model.apply(state, model.fuse([update], [float(cohort_size)]))


def score_update(
    model: Model, state: Arrays, update: Arrays, cohort_size: int, shard: ProbeShard, base: ShardMetrics
) -> ShardMetrics:
    """Return the gain of one update over `base`, the metrics of `state` on the same shard. Doing nothing gains 0."""
    return gain(shard_metrics(model, state_with_update_alone(model, state, update, cohort_size), shard), base)


def gain(applied: ShardMetrics, base: ShardMetrics) -> ShardMetrics:
    """Return the difference, for a caller that scores one applied state on several shards."""
    return ShardMetrics(
        applied.ndcg_at_10 - base.ndcg_at_10,
        applied.hit_ratio_at_10 - base.hit_ratio_at_10,
    )
