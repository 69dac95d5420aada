"""Ranking metrics for one held-out item per user, from the rank of that item.

A rival counts against the held-out item unless it scores strictly lower: ties lose, and so does a NaN on either side.
A model that gives every item one score is thereby last, not first. Rank 1 is best.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (5, 10, 20)

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]


def ranks(held_out_scores: FloatArray, rival_scores: FloatArray, counted: NDArray[np.bool_]) -> IntArray:
    """Return the rank of each held-out item among its rivals.

    Args:
        held_out_scores: Shape (rows,).
        rival_scores: Shape (rows, rivals).
        counted: False where a column is no rival of this row. Shape (rows, rivals).

    Returns:
        1 + the number of counted rivals that do not score strictly lower. Shape (rows,).
    """
    beaten = rival_scores < held_out_scores[:, None]
    lost: IntArray = np.count_nonzero(~beaten & counted, axis=1)
    return 1 + lost


def hit_ratio_at(k: int, held_out_ranks: IntArray) -> float:
    """Return the share of rows whose held-out item is among the first k. NaN for no rows."""
    return _mean((held_out_ranks <= k).astype(np.float64))


def ndcg_at(k: int, held_out_ranks: IntArray) -> float:
    """Return the mean of 1 / log2(1 + rank), 0 beyond k [He et al. (2017)]; the ideal is 1. NaN for no rows."""
    return _mean(np.where(held_out_ranks <= k, 1.0 / np.log2(1.0 + held_out_ranks), 0.0))


def mrr_at(k: int, held_out_ranks: IntArray) -> float:
    """Return the mean of 1 / rank, 0 beyond k. With one held-out item, MAP is the same. NaN for no rows."""
    return _mean(np.where(held_out_ranks <= k, 1.0 / held_out_ranks, 0.0))


def ranking_metrics(held_out_ranks: IntArray, prefix: str = "", cutoffs: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Return every metric at every cutoff, named such as `ndcg_at_10` after the prefix."""
    metrics: dict[str, float] = {}
    for k in cutoffs:
        metrics[f"{prefix}hit_ratio_at_{k}"] = hit_ratio_at(k, held_out_ranks)
        metrics[f"{prefix}ndcg_at_{k}"] = ndcg_at(k, held_out_ranks)
        metrics[f"{prefix}map_at_{k}"] = metrics[f"{prefix}mrr_at_{k}"] = mrr_at(k, held_out_ranks)
    return metrics


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
