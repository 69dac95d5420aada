"""Methods that are fitted once, with all training items in one place, and how their settings are chosen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from common.data.user_items import UserItems
from common.evaluation import evaluate
from common.models import Arrays, FloatArray
from experiments.baselines.array_rounds import Measured, measure
from experiments.baselines.task import Task

CHOSEN_BY = "ndcg_at_10"

Fit = Callable[[UserItems], FloatArray]
"""From training items to every user's score of every item: float32, shape (users, items)."""


@dataclass(frozen=True)
class ScoreTable:
    """Scores that are there already: a user's vector is its row of them."""

    rating_range: ClassVar[None] = None

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return the rows. Shape (users, items)."""
        del state
        return user_vectors


def interaction_matrix(train: UserItems) -> Any:
    """Return a sparse float32 matrix of ones, shape (users, items)."""
    ones = np.ones(train.items.size, dtype=np.float32)
    return csr_matrix((ones, train.items, train.indptr), shape=(train.user_count, train.item_count))


def best_on_validation(grid: Mapping[str, Fit], task: Task) -> Measured:
    """Fit every setting, take the one with the highest validation NDCG@10, and measure that one.

    The first wins where several are equal. Where the task trains on validation items, the chosen setting is fitted
    again with them.

    Args:
        grid: Fits by the name of their setting.
        task: Its `tuning` is what is chosen on. Test items are looked at for the chosen setting alone.
    """
    fit_again = task.split is not task.tuning
    best_name, best, highest = next(iter(grid)), None, -1.0
    for name, fit in grid.items():
        scores = fit(task.tuning.train)
        reached = _on_validation(scores, task)
        if reached > highest:
            best_name, best, highest = name, None if fit_again else scores, reached
    chosen = grid[best_name](task.split.train) if best is None else best
    return replace(measure(ScoreTable(), {}, chosen, task.split), setting=best_name)


def _on_validation(scores: FloatArray, task: Task) -> float:
    tuning = task.tuning
    measured = evaluate(ScoreTable(), {}, scores, tuning.train, tuning.validation, tuning.candidates)
    return measured.metrics[CHOSEN_BY]
