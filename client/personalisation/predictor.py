"""The personal predictor: T-FedRS, eq. 1.

    y_kij = g(alpha_k f_global(u_i, v_j; Theta) + (1 - alpha_k) f_local(u_k,i, v_j; Theta_k))

alpha is the share of the *global* predictor: at 1 the person sees the federation's ranking, at 0 the client's own.

The two predictors do not score on one scale: iALS lies near 0 and 1, NCF gives logarithms. So both are standardised
first: for each user, minus the mean and over the standard deviation of the user's scores of the whole catalogue. g is
the identity, as any rising function gives the same ranking.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.evaluation import Scorer
from common.models import Arrays, FloatArray


@dataclass(frozen=True, eq=False)
class Predictor:
    """Scores the catalogue for a person; a `Scorer`.

    Attributes:
        global_scorer, global_state: What everybody has.
        local_scorer, local_state: What this client alone has.
        alpha: In [0, 1].
        global_length: Of a global user vector, the first columns of what `scores` is given.
    """

    rating_range: ClassVar[None] = None

    global_scorer: Scorer
    global_state: Arrays
    local_scorer: Scorer
    local_state: Arrays
    alpha: float
    global_length: int

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score every item. Where one predictor alone counts, its scores are as they are.

        Args:
            state: Not looked at; the predictor has two of its own.
            user_vectors: Those of the global model beside those of the local one, shape (users, both lengths).
        """
        del state
        of_global, of_local = (
            np.ascontiguousarray(part) for part in np.split(user_vectors, [self.global_length], axis=1)
        )
        if self.alpha == 1:
            return self.global_scorer.scores(self.global_state, of_global)
        local = self.local_scorer.scores(self.local_state, of_local)
        if self.alpha == 0:
            return local
        return mixed(
            self.alpha, standardised(self.global_scorer.scores(self.global_state, of_global)), standardised(local)
        )


def mixed(alpha: float, of_global: FloatArray, of_local: FloatArray) -> FloatArray:
    """Return alpha times the first plus 1 - alpha times the second."""
    mixture: FloatArray = np.float32(alpha) * of_global + np.float32(1 - alpha) * of_local
    return mixture


def standardised(scores: FloatArray) -> FloatArray:
    """Return each user's scores with mean 0 and standard deviation 1; zeros where they are all the same.

    Shape (users, items), as given.
    """
    centred = scores - scores.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    standard: FloatArray = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return standard
