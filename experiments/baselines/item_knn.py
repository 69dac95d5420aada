"""Neighbours: an item scores by how similar it is to the items that the user has [Deshpande and Karypis (2004)].

Similarities are those of the `implicit` library, which keeps each item's K highest, itself among them.

Grid: cosine, TF-IDF or BM25 weights (BM25 with the library's K1 = 1.2, B = 0.75), and K = 10, 20, 50, 100, 200 or 400.
"""

import warnings
from functools import partial

import numpy as np

from common.data.user_items import UserItems
from common.models import FloatArray
from experiments.baselines.array_rounds import Measured
from experiments.baselines.fitted import best_on_validation, interaction_matrix
from experiments.baselines.task import Task

SIMILARITIES, NEIGHBOURS = ("Cosine", "TFIDF", "BM25"), (10, 20, 50, 100, 200, 400)


def item_knn(task: Task) -> Measured:
    """Choose similarity and K on validation, and measure."""
    grid = {
        f"{similarity}, K = {neighbours}": partial(fit, similarity, neighbours)
        for similarity in SIMILARITIES
        for neighbours in NEIGHBOURS
    }
    return best_on_validation(grid, task)


def fit(similarity: str, neighbours: int, train: UserItems) -> FloatArray:
    """Return the sums of similarities to each user's items. Shape (users, items)."""
    from implicit import nearest_neighbours  # noqa: PLC0415  # of an extra that runs do without
    from implicit.utils import ParameterWarning  # noqa: PLC0415

    matrix = interaction_matrix(train)
    recommender = getattr(nearest_neighbours, f"{similarity}Recommender")(K=neighbours, num_threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParameterWarning)  # the library warns itself of the format it makes inside
        recommender.fit(matrix, show_progress=False)
    scores: FloatArray = (matrix @ recommender.similarity).toarray().astype(np.float32)
    return scores
