"""Measure a model on held-out items: 1 + 99 sampled candidates and the full catalogue, from the same scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import NO_ITEM, UserItems
from common.metrics import IntArray, ranking_metrics, ranks
from common.models.model import Arrays, FloatArray

USERS_SCORED_TOGETHER = 256  # times the catalogue: the memory that evaluation needs


class Scorer(Protocol):
    """Whatever scores the catalogue for a user vector: every `Model`, and a baseline that is not trained."""

    @property
    def rating_range(self) -> tuple[float, float] | None:
        """The least and the greatest rating where scores are predicted ratings; None where they only rank."""

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Higher is better. Shape (users, items)."""


@dataclass(frozen=True)
class Evaluation:
    """Means over `users` evaluated users. Full-catalogue metrics carry the prefix `full_`."""

    metrics: dict[str, float]
    users: int


def evaluate(
    model: Scorer,
    state: Arrays,
    user_vectors: FloatArray,
    train: UserItems,
    held_out: NDArray[np.int32],
    candidates: NDArray[np.int32],
    also_known: NDArray[np.int32] | None = None,
) -> Evaluation:
    """Rank each user's held-out item among sampled candidates and among the catalogue.

    Args:
        model: Scores the catalogue.
        state: The model's state.
        user_vectors: Shape (users, factors), from `fold_in` on `train`.
        train: What the user is known to like; never a rival on the full catalogue.
        held_out: The item to find, or NO_ITEM: the user is skipped. Shape (users,).
        candidates: Sampled rivals; NO_ITEM and the held-out item itself do not count. Shape (users, 99).
        also_known: One more item per user that is no rival on the full catalogue, or NO_ITEM: on test, the
            validation item. Shape (users,).
    """
    evaluated = np.flatnonzero(held_out != NO_ITEM)
    sampled_ranks, full_ranks = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, len(evaluated), USERS_SCORED_TOGETHER):
        users = evaluated[start : start + USERS_SCORED_TOGETHER]
        scores = model.scores(state, user_vectors[users])
        rivals = candidates[users]
        own = held_out[users]
        own_scores = scores[np.arange(len(users)), own]
        sampled = np.take_along_axis(scores, np.maximum(rivals, 0), axis=1)
        sampled_ranks.append(ranks(own_scores, sampled, (rivals != NO_ITEM) & (rivals != own[:, None])))
        full_ranks.append(
            catalogue_ranks(scores, own, train.take(users), None if also_known is None else also_known[users])
        )
    metrics = ranking_metrics(np.concatenate(sampled_ranks))
    metrics |= ranking_metrics(np.concatenate(full_ranks), prefix="full_")
    return Evaluation(metrics, len(evaluated))


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the means over all users of disjoint groups. Groups of no users are passed over."""
    filled = [evaluation for evaluation in evaluations if evaluation.users]
    if not filled:
        return evaluations[0]
    users = sum(evaluation.users for evaluation in filled)
    metrics = {
        name: sum(evaluation.users * evaluation.metrics[name] for evaluation in filled) / users
        for name in filled[0].metrics
    }
    return Evaluation(metrics, users)


def catalogue_ranks(
    scores: FloatArray, held_out: NDArray[np.int32], known: UserItems, also_known: NDArray[np.int32] | None = None
) -> IntArray:
    """Rank held-out items among all items that the user is not known to have. Scores: shape (users, items)."""
    counted = np.ones(scores.shape, dtype=np.bool_)
    rows = np.arange(len(scores))
    counted[np.repeat(rows, np.diff(known.indptr)), known.items] = False
    if also_known is not None:
        present = also_known != NO_ITEM
        counted[rows[present], also_known[present]] = False
    counted[rows, held_out] = False
    return ranks(scores[rows, held_out], scores, counted)
