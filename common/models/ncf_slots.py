"""The pairs that a sampled loss looks at, and users' vectors fitted to them.

With S_u a user's items, N of the others drawn against each, and c_ui how often item i was drawn for user u,

    bce    sum_u sum_i [ (y_ui + c_ui) log(1 + exp(s_ui)) - y_ui s_ui ]                  [He et al. (2017), Eq. 7]
    bpr    sum_u sum_(i in S_u) sum_(j drawn against i) log(1 + exp(s_uj - s_ui))        [Rendle et al. (2009), BPR-Opt]

Both are sums of logistic losses, whose second derivative is at most 1/4. So a user's Hessian, where scores are linear
in its vectors, is at most sum_i w_ui F_i F_i' + penalty, F_i = d s_ui / d (p_u, m_u): w_ui = (y_ui + c_ui) / 4 for bce,
and for bpr, by (a - b)(a - b)' <= 2 (a a' + b b'), half of how many comparisons i is in. Steps against the gradient by
the inverse of that bound never raise the loss [Boehning and Lindsay (1988)]; momentum makes eight of them enough.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.model import FloatArray
from common.models.ncf_users import Catalogue

SampledLoss = Literal["bce", "bpr"]

CURVATURE: dict[SampledLoss, float] = {"bce": 0.25, "bpr": 0.5}
"""Bound on a slot's second derivative, for each time that it counts."""

MOMENTUM = 0.5


@dataclass(frozen=True, eq=False)
class Slots:
    """What a loss looks at, of a few users: every (user, item) pair that is positive or was drawn, once.

    Fields:
        loss: Which of the two.
        shape: Users, and items of the catalogue that they are scored on.
        at: int64 (slots,), ascending: user * items + item.
        positives: int64 (interactions,): the slot of each interaction.
        negatives: int64 (interactions, N): the slots of the items drawn against it.
        counts: float32 (slots,): for bce how often a pair is positive or drawn, for bpr in how many comparisons it is.
    """

    loss: SampledLoss
    shape: tuple[int, int]
    at: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    counts: FloatArray

    @classmethod
    def of(
        cls,
        loss: SampledLoss,
        own: UserItems,
        items: NDArray[np.integer],
        negatives: NDArray[np.integer],
        item_count: int,
    ) -> "Slots":
        """Lay out a few users' pairs.

        Args:
            loss: Which of the two.
            own: The users as rows 0, 1, ...; only whose each interaction is matters.
            items: Shape (interactions,), in 0 .. item_count - 1.
            negatives: Shape (interactions, N), likewise.
            item_count: Of the catalogue that scores are for.
        """
        first = own.users.astype(np.int64) * item_count
        pairs = np.concatenate(((first + items)[:, None], first[:, None] + negatives), axis=1)
        at, inverse = np.unique(pairs, return_inverse=True)
        slots = inverse.reshape(pairs.shape)
        times = 1 if loss == "bce" else negatives.shape[1]
        counts = np.bincount(slots[:, 1:].ravel(), minlength=len(at))
        counts += times * np.bincount(slots[:, 0], minlength=len(at))
        shape = (own.user_count, item_count)
        return cls(loss, shape, at, slots[:, 0], slots[:, 1:], counts.astype(np.float32))

    def residuals(self, scores: FloatArray) -> FloatArray:
        """Return d loss / d s, zero where there is no slot. Both of `shape`."""
        own = scores.reshape(-1)[self.at]
        if self.loss == "bce":
            errors = self.counts * _sigmoid(own)
            errors[self.positives] -= 1
        else:
            wrong = _sigmoid(own[self.negatives] - own[self.positives, None])
            errors = np.bincount(self.negatives.ravel(), wrong.ravel(), len(own)).astype(np.float32)
            errors[self.positives] -= wrong.sum(axis=1)
        spread = np.zeros(scores.size, dtype=np.float32)
        spread[self.at] = errors
        return spread.reshape(scores.shape)

    def hessians(self, features: FloatArray, only: NDArray[np.bool_] | None = None) -> FloatArray:
        """Return sum_i w_ui F_i F_i' of every user. Shape (users, vector length, vector length).

        Args:
            features: F where users' vectors are zero, shape (items, vector length).
            only: Which items to sum over, shape (items,); all where None.
        """
        users, items = self.shape
        chosen = slice(None) if only is None else np.flatnonzero(only[self.at % items])
        at, curvature = self.at[chosen], self.counts[chosen] * np.float32(CURVATURE[self.loss])
        bounds = np.searchsorted(at, np.arange(users + 1) * items)
        hessians = np.zeros((users, features.shape[1], features.shape[1]), dtype=np.float32)
        for user in range(users):
            own = slice(bounds[user], bounds[user + 1])
            rows = features[at[own] - user * items]
            hessians[user] = (rows * curvature[own, None]).T @ rows
        return hessians

    def fit(self, catalogue: Catalogue, hessians: FloatArray, penalty: FloatArray, steps: int) -> FloatArray:
        """Return the users' vectors, shape (users, vector length), after so many steps from zero.

        Args:
            catalogue: Held fixed.
            hessians: What `hessians` returns for it.
            penalty: lam_u times what it counts for, shape (users, 1).
            steps: How many.
        """
        inverse = np.linalg.inv(hessians + penalty[:, :, None] * np.eye(hessians.shape[1], dtype=np.float32))
        current = np.zeros(hessians.shape[:2], dtype=np.float32)
        last = np.zeros_like(current)
        for _ in range(steps):
            ahead = current + np.float32(MOMENTUM) * last
            gradient = catalogue.user_gradient(self.residuals(catalogue.scores(ahead))) + penalty * ahead
            following = ahead - (inverse @ gradient[:, :, None])[:, :, 0]
            current, last = following, following - current
        return current


def _sigmoid(scores: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-s)), by an exponential that cannot overflow."""
    small = np.exp(-np.abs(scores))
    chances: FloatArray = np.where(scores >= 0, np.float32(1), small) / (1 + small)
    return chances
