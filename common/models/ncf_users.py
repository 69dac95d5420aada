"""Users' vectors for NCF: the loss's minimum over them, everything shared held fixed.

With one user's vectors x = (p, m) and pi the softmax over the items, the loss has the gradient and Hessian

    g = sum_i (n_u pi_i - y_i) F_i + lam (n_u + c) x,      H = n_u Cov_pi(F) + lam (n_u + c) Id

where F_i = d s_i / d x is (q_i, slope of the tower). We divide g by H with pi and F taken at x = 0, where they are the
same for all users: Cov has one eigendecomposition for everybody, and H is diagonal in its basis. pi moves with x, so
Cov is multiplied by a damping; with momentum, eight such steps from x = 0 come within 1e-4 of GMF's least loss.

The tower costs ten times as much as all else, and is nearly linear in m. So the steps are taken with the line that it
has at m = 0, s_i(0) + F_i . x, at the price of GMF; a few follow with the tower itself, where the slopes are no longer
those at 0 and steps must be shorter. Eight steps with the tower itself cost more than twice as much and end higher
(`benchmarks/user_fit.py`). Without GMF beside it the tower is far from linear, and all steps are its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from common.data.user_items import UserItems
from common.models.model import FloatArray

if TYPE_CHECKING:  # a model without an MLP branch needs no torch
    from common.models.ncf_network import Tower

USERS_TOGETHER = 64  # fewer make the products slow
USERS_IN_TOWER = 16  # more push the units' activations, 24 numbers for each pair, out of the cache
MOMENTUM = 0.5
DAMPING = 4.0
TOWER_DAMPING = 12.0

Gradient = Callable[[FloatArray, UserItems], FloatArray]
"""The gradient of L, its penalty left out, at some users' vectors; both of shape (users, vector length)."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What users' vectors are fitted to, and scored against.

    Fields:
        item_factors: The GMF branch, float32, shape (items, d); d is 0 without one.
        item_bias: float32, shape (items,).
        tower: The MLP branch on the same items, None without one.
    """

    item_factors: FloatArray
    item_bias: FloatArray
    tower: "Tower | None"

    @property
    def users_together(self) -> int:
        """How many users `scores` takes at once."""
        return USERS_TOGETHER if self.tower is None else USERS_IN_TOWER

    def scores(self, vectors: FloatArray) -> FloatArray:
        """Return s for at most `users_together` users. Vectors: (users, vector length). Shape (users, items)."""
        d = self.item_factors.shape[1]
        scores: FloatArray = vectors[:, :d] @ self.item_factors.T
        scores += self.item_bias
        if self.tower is not None:
            scores += self.tower.scores(vectors[:, d:])
        return scores

    def user_gradient(self, residual: FloatArray) -> FloatArray:
        """Return sum_i residual_ui F_ui for the users last given to `scores`. Shape (users, vector length)."""
        product: FloatArray = residual @ self.item_factors
        if self.tower is None:
            return product
        return np.concatenate((product, self.tower.user_gradient(residual)), axis=1)

    def at_zero(self) -> tuple[FloatArray, FloatArray]:
        """Return s and F for a user whose vectors are zero. Shapes (items,) and (items, vector length)."""
        if self.tower is None:
            return self.item_bias.copy(), self.item_factors
        scores, slopes = self.tower.at_zero()
        return self.item_bias + scores, np.concatenate((self.item_factors, slopes), axis=1)


def fit(
    catalogue: Catalogue, histories: UserItems, regularisation: float, prior: float, steps: int, tower_steps: int
) -> FloatArray:
    """Return each user's vectors, shape (users, vector length). A user without items gets zeros.

    Args:
        catalogue: Held fixed.
        histories: The users' items.
        regularisation: lam.
        prior: c, in interactions: how many are added to n_u for the penalty.
        steps: How many to take from zero, on the line that stands for the tower.
        tower_steps: How many then with the tower itself, where there is one.
    """
    scores, features = catalogue.at_zero()
    background = softmax(scores[None, :].copy())[0]  # it writes over what it is given
    mean = background @ features
    covariance = (features * background[:, None]).T @ features - np.outer(mean, mean)
    spectrum, basis = np.linalg.eigh(covariance.astype(np.float64))
    spectrum, basis = np.maximum(spectrum, 0.0).astype(np.float32), basis.astype(np.float32)
    vectors = np.zeros((histories.user_count, features.shape[1]), dtype=np.float32)

    def descend(size: int, gradient_of: Gradient, damping: float, count: int) -> None:
        for users, own in groups(histories, size):
            counts = own.counts.astype(np.float32)[:, None]
            penalty = np.float32(regularisation) * (counts + np.float32(prior))
            inverse = 1 / (np.float32(damping) * counts * spectrum + penalty)
            current = vectors[users]
            last = np.zeros_like(current)
            for _ in range(count):
                ahead = current + np.float32(MOMENTUM) * last
                gradient = gradient_of(ahead, own) + penalty * ahead
                following = ahead - ((gradient @ basis) * inverse) @ basis.T
                current, last = following, following - current
            vectors[users] = current

    def on_the_line(vectors: FloatArray, own: UserItems) -> FloatArray:
        ahead: FloatArray = vectors @ features.T
        ahead += scores
        product: FloatArray = residuals(ahead, own) @ features
        return product

    def on_the_tower(vectors: FloatArray, own: UserItems) -> FloatArray:
        return catalogue.user_gradient(residuals(catalogue.scores(vectors), own))

    descend(USERS_TOGETHER, on_the_line, DAMPING, steps)
    if catalogue.tower is not None:
        descend(USERS_IN_TOWER, on_the_tower, TOWER_DAMPING, tower_steps)
    return vectors


def groups(histories: UserItems, size: int) -> Iterator[tuple[slice, UserItems]]:
    """Yield `size` users after another: their rows, and their items as rows 0, 1, ..."""
    for start in range(0, histories.user_count, size):
        users = slice(start, min(start + size, histories.user_count))
        yield users, histories.take(np.arange(users.start, users.stop))


def residuals(scores: FloatArray, own: UserItems) -> FloatArray:
    """Return d loss / d s = n_u softmax(s_u)_i - y_ui, written over `scores`. Shape (users, items)."""
    errors = softmax(scores)
    errors *= own.counts.astype(np.float32)[:, None]
    errors[own.users, own.items] -= 1
    return errors


def softmax(scores: FloatArray) -> FloatArray:
    """Exponentials of each row over their sum, written over `scores`."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
