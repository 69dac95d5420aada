"""iALS by the `implicit` library, all users in one place [Hu, Koren, Volinsky (2008)].

An interaction has confidence alpha, any other pair 1. 15 sweeps of the library's conjugate gradient solver.

Grid: 64 or 128 factors; alpha 2, 5 or 10; regularisation 20, 50 or 100.
"""

from functools import partial

from common.data.user_items import UserItems
from common.models import FloatArray
from common.seeding import generator
from experiments.baselines.array_rounds import Measured
from experiments.baselines.fitted import best_on_validation, interaction_matrix
from experiments.baselines.task import Task

FACTORS, ALPHAS, REGULARISATIONS, SWEEPS = (64, 128), (2.0, 5.0, 10.0), (20.0, 50.0, 100.0), 15


def als(task: Task) -> Measured:
    """Choose factors, alpha and regularisation on validation, and measure."""
    grid = {
        f"{factors} factors, alpha {alpha:g}, regularisation {regularisation:g}": partial(
            fit, factors, alpha, regularisation, task.settings.seed
        )
        for factors in FACTORS
        for alpha in ALPHAS
        for regularisation in REGULARISATIONS
    }
    return best_on_validation(grid, task)


def fit(factors: int, alpha: float, regularisation: float, seed: int, train: UserItems) -> FloatArray:
    """Return the products of user and item factors. Shape (users, items)."""
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415  # of an extra that runs do without
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    # the library warns of a BLAS with threads of its own, which slows its solver down
    with threadpool_limits(1, "blas"):
        als = AlternatingLeastSquares(
            factors,
            regularization=regularisation,
            alpha=alpha,
            iterations=SWEEPS,
            num_threads=1,
            random_state=int(generator(seed, "implicit").integers(2**31)),
        )
        als.fit(interaction_matrix(train), show_progress=False)
    scores: FloatArray = als.user_factors @ als.item_factors.T
    return scores
