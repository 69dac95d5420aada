"""EASE: a linear item-to-item model in closed form [Steck (2019), "Embarrassingly shallow autoencoders", Eq. 8].

With P = (X'X + lam Id)^-1, the weights that minimise |X - X B|^2 + lam |B|^2 under diag(B) = 0 are B_ij = -P_ij / P_jj
off the diagonal. Neither P nor B is needed to score: with A = X P = (XX' + lam Id)^-1 X, which follows from the smaller
of the two Gram matrices,

    lam P_jj = 1 - x_j . a_j      (columns of X and A, from P (X'X + lam Id) = Id)
    (X B)_uj = X_uj - A_uj / P_jj

Grid: lam = 50, 100, 200, 400, 800 or 1600.
"""

from functools import partial

import numpy as np

from common.data.user_items import UserItems
from common.models import FloatArray
from experiments.baselines.array_rounds import Measured
from experiments.baselines.fitted import best_on_validation, interaction_matrix
from experiments.baselines.task import Task

REGULARISATIONS = (50, 100, 200, 400, 800, 1600)


def ease(task: Task) -> Measured:
    """Choose lam on validation, and measure."""
    return best_on_validation({f"lambda = {lam}": partial(fit, lam) for lam in REGULARISATIONS}, task)


def fit(regularisation: float, train: UserItems) -> FloatArray:
    """Return X B, shape (users, items)."""
    matrix = interaction_matrix(train).toarray().astype(np.float64)
    users, items = matrix.shape
    if items <= users:
        projected = np.linalg.solve(matrix.T @ matrix + regularisation * np.eye(items), matrix.T).T
    else:
        projected = np.linalg.solve(matrix @ matrix.T + regularisation * np.eye(users), matrix)
    diagonal = (1.0 - np.einsum("ui,ui->i", matrix, projected)) / regularisation
    scores: FloatArray = (matrix - projected / diagonal).astype(np.float32)
    return scores
