"""PureSVD: the truncated singular value decomposition of the interactions [Cremonesi, Koren, Turrin (2010)].

With Q the leading right singular vectors of X, whose missing entries are zeros, a user's scores are x_u Q Q'.

Grid: 8, 16, 32, 48, 64, 96, 128, 192 or 256 factors, as many as the matrix has.
"""

from functools import partial

import numpy as np
from scipy.sparse.linalg import svds

from common.data.user_items import UserItems
from common.models import FloatArray
from experiments.baselines.array_rounds import Measured
from experiments.baselines.fitted import best_on_validation, interaction_matrix
from experiments.baselines.task import Task

FACTORS = (8, 16, 32, 48, 64, 96, 128, 192, 256)


def pure_svd(task: Task) -> Measured:
    """Choose the number of factors on validation, and measure."""
    most = min(task.split.train.user_count, task.split.train.item_count) - 1
    return best_on_validation({f"{d} factors": partial(fit, d) for d in FACTORS if d <= most}, task)


def fit(factors: int, train: UserItems) -> FloatArray:
    """Return X Q Q', shape (users, items). Deterministic: the iteration starts from a vector of ones."""
    matrix = interaction_matrix(train).astype(np.float64)
    _, _, right = svds(matrix, k=factors, v0=np.ones(min(matrix.shape)))
    scores: FloatArray = (matrix @ right.T).astype(np.float32) @ right.astype(np.float32)
    return scores
