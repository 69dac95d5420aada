"""Matrix factorization with biases for explicit ratings, measured by how far a prediction is from the rating.

Ratings are taken in units of their public range, t = (r - least) / (greatest - least), so that the same settings serve
stars out of five and points out of ten. A rating is predicted as [Koren, Bell, Volinsky (2009), Eq. 4]

    t_ui ~ mu + b_u + b_i + p_u . q_i

and with n_u and n_i counting ratings, all that is trained minimises

    L = 1/2 sum_(u,i rated) (t_ui - mu - b_u - b_i - p_u.q_i)^2
        + sum_u [lam / 2 (n_u + k) |p_u|^2 + kb / 2 b_u^2]  +  sum_i [lam / 2 (n_i + k) |q_i|^2 + kb / 2 b_i^2]

k and kb count as ratings that say nothing: without them the vectors of users and items with few ratings overfit.

As in LIBERATE (III-A), a user's b_u and p_u stay with the client, and gradients of the item side travel. We differ in
the user half: LIBERATE takes SGD steps on the user's profile and keeps it. Here it is solved exactly, (b_u, p_u)
jointly, from the shared part of the moment; at that minimum the gradient of L in the shared part is all of the gradient
[envelope theorem]. Nothing is kept between rounds, so a client may miss any number of them.

The server steps as in proximal gradient descent, the penalty taken exactly and the rest linearised with curvature
n_i / rate. After 5 rounds validation RMSE is within 0.5 % of exact alternating least squares on L, all data in one
place, on ml-latest-small-2016, and no higher on MovieLens-1M (`experiments.rating_reference`). Tried: Adam's step is a
little worse, and one preconditioned by the users' Gram matrix saves about two rounds but would send that matrix, and
swings where items have few ratings.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.mf_checks import GradientRules, gradient_layout
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.row_claims import RowClaims, RowCut, cut_rows, touched_claims

USERS_SOLVED_TOGETHER = 16  # as for iALS
USERS_SUMMED_TOGETHER = 256


@dataclass(frozen=True)
class Mf:
    """Federated matrix factorization of ratings.

    State, in units of the range: "item_factors" float32 (items, factors); "item_bias" float32 (items,); "mean" float32
    (1,) = mu; "momentum" float32 (items, factors). mu + b_i always lies in [0, 1].

    Update: "row_ids" uint32 (touched,), ascending: the rated items; for these the mean gradients per rating
    "item_factors" float32 (touched, factors) and "item_bias" float32 (touched,); "counts" uint32 (touched,) = n_i;
    "mean" float32 (1,), the mean gradient of mu per user; "users" uint32 (1,). In a fused update counts and users are
    weighted sums and therefore float64.

    A user vector is p_u with b_u in the last column. The defaults were chosen on validation items.
    """

    name: ClassVar[str] = "mf"
    sends_sums: ClassVar[bool] = False

    factors: int = 64
    """Length d of a vector."""
    regularisation: float = 0.012
    """Strength lam of the L2 penalty on vectors, per rating of the user or item."""
    learning_rate: float = 30.0
    """Of the item factors: 1 / curvature of L, per rating, that the server's step takes them to have."""
    least_rating: float = 0.5
    """The lowest rating there is."""
    greatest_rating: float = 5.0
    """The highest rating there is."""
    prior_ratings: float = 60.0
    """k: for how many ratings the penalty of a vector counts in addition to its own."""
    bias_regularisation: float = 3.0
    """kb, strength of the L2 penalty on biases: one of n ratings is shrunk by n / (n + kb)."""
    momentum: float = 0.3
    """Share of the previous step of the item factors that is added to this one."""

    def __post_init__(self) -> None:
        if not 1 <= self.factors <= 4096:
            raise WrongUse(f"factors must lie between 1 and 4096, not {self.factors}")
        for label in ("regularisation", "learning_rate", "prior_ratings", "bias_regularisation"):
            if not 0 < getattr(self, label) < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {getattr(self, label)}")
        if not 0 <= self.momentum < 1:
            raise WrongUse(f"momentum must lie in [0, 1), not {self.momentum}")
        if not -float("inf") < self.least_rating < self.greatest_rating < float("inf"):
            raise WrongUse(f"ratings cannot range from {self.least_rating} to {self.greatest_rating}")

    @property
    def rating_range(self) -> tuple[float, float]:
        """The least and the greatest rating."""
        return self.least_rating, self.greatest_rating

    @property
    def longest_vector(self) -> float:
        """Bound on |p_u|, and on |q_i| where mu + b_u + b_i is off by at most 1. See `GradientRules`."""
        return 0.5 / math.sqrt(self.regularisation)

    def at(self, state: Arrays) -> "Mf":
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw item factors from N(0, 0.02 / d), small beside what they become; mu is the middle of the range."""
        factors = rng.normal(0.0, (0.02 / self.factors) ** 0.5, (item_count, self.factors)).astype(np.float32)
        return {
            "item_factors": factors,
            "item_bias": np.zeros(item_count, dtype=np.float32),
            "mean": np.full(1, 0.5, dtype=np.float32),
            "momentum": np.zeros_like(factors),
        }

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Solve the client's users exactly, then average the gradients over their ratings: `update_of`."""
        user_vectors = self.fold_in(state, train)
        return self.update_of(state, train, user_vectors), user_vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the mean gradients over a client's ratings.

        With e_ui = t_ui - mu - b_u - b_i - p_u.q_i, the gradient is -sum_u e_ui p_u in q_i, -sum_u e_ui in b_i, and
        -sum_ui e_ui in mu. The server adds the items' penalties. mu's is divided by the users and not by the ratings
        because it equals -kb sum_u b_u there: the mean bias of a user is what mu lacks.
        """
        counts = np.bincount(train.items, minlength=train.item_count)
        row_ids = np.flatnonzero(counts)
        sums, _ = error_sums(state["item_factors"], self.targets(state, train), user_vectors, train, row_ids)
        own_counts = counts[row_ids].astype(np.float32)
        means = -sums / own_counts[:, None]
        total = float(np.sum(means[:, -1] * own_counts, dtype=np.float64))
        return {
            "row_ids": row_ids.astype(np.uint32),
            "item_factors": np.ascontiguousarray(means[:, :-1]),
            "item_bias": np.ascontiguousarray(means[:, -1]),
            "counts": counts[row_ids].astype(np.uint32),
            "mean": np.array([total / max(1, train.user_count)], dtype=np.float32),
            "users": np.array([train.user_count], dtype=np.uint32),
        }

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Minimise L over each user's (p_u, b_u), the items held fixed. A user without ratings gets zeros.

        (p_u, b_u) = (X'X + diag(lam (n_u + k), ..., kb))^-1 X' y, the rows of X being (q_i, 1) and those of y
        t_ui - mu - b_i. Summed in float32 and solved in float64, as for iALS.
        """
        extended = np.column_stack((state["item_factors"], np.ones(histories.item_count, dtype=np.float32)))
        targets = self.targets(state, histories)
        width = self.factors + 1
        lengths = histories.counts
        gathered = np.empty((int(lengths.max(initial=0)), width), dtype=np.float32)
        matrices = np.empty((USERS_SOLVED_TOGETHER, width, width))
        diagonals = matrices.reshape(USERS_SOLVED_TOGETHER, width * width)[:, :: width + 1]
        sides = np.empty((USERS_SOLVED_TOGETHER, width, 1))
        user_vectors = np.empty((histories.user_count, width), dtype=np.float32)
        for start in range(0, histories.user_count, USERS_SOLVED_TOGETHER):
            size = min(USERS_SOLVED_TOGETHER, histories.user_count - start)
            for slot in range(size):
                first, last = histories.indptr[start + slot : start + slot + 2]
                own = np.take(extended, histories.items[first:last], 0, gathered[: last - first], "clip")
                matrices[slot] = own.T @ own
                sides[slot, :, 0] = targets[first:last] @ own
            penalties = self.regularisation * (lengths[start : start + size] + self.prior_ratings)
            diagonals[:size, :-1] += penalties[:, None]
            diagonals[:size, -1] += self.bias_regularisation
            # The matrices are symmetric; seen transposed, LAPACK gets them in its own order.
            solved = np.linalg.solve(matrices[:size].transpose(0, 2, 1), sides[:size])
            user_vectors[start : start + size] = solved[:, :, 0]
        return user_vectors

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average rows by weight times exposure and mu's gradient by weight, in float64; gradients end as float32.

        The exposure of a row at a client is its count there, so a row is averaged over the clients that touched it
        [T-FedRS, 3.3]. Where all weights are zero there is no average: the gradients and the counts are zero and
        `apply` leaves the state as it is.
        """
        if not updates:
            raise ValueError("nothing to fuse")
        row_ids = np.unique(np.concatenate([update["row_ids"] for update in updates]))
        rows = np.zeros((len(row_ids), self.factors))
        biases, exposure = np.zeros(len(row_ids)), np.zeros(len(row_ids))
        mean = users = 0.0
        for update, weight in zip(updates, weights, strict=True):
            at = np.searchsorted(row_ids, update["row_ids"])
            share = weight * update["counts"]
            rows[at] += share[:, None] * update["item_factors"]
            biases[at] += share * update["item_bias"]
            exposure[at] += share
            mean += weight * float(update["mean"][0])
            users += weight * float(update["users"][0])
        weighted = np.where(exposure > 0, exposure, 1.0)
        return {
            "row_ids": row_ids,
            "item_factors": (rows / weighted[:, None]).astype(np.float32),
            "item_bias": (biases / weighted).astype(np.float32),
            "counts": exposure,
            "mean": np.array([mean / (sum(weights) or 1.0)], dtype=np.float32),
            "users": np.array([users]),
        }

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Step on the rows that somebody touched, and on mu. A fused update of no users leaves the state as it is.

        With g the mean gradient of a row and n its fused count:
            step_i = -(n_i g_i + lam (n_i + k) q_i) / (n_i / rate + lam (n_i + k))
            v' = momentum v + step,   q' = q + v'
            b_i' = b_i - (n_i g_i + kb b_i) / (n_i + kb)     the minimum, users and q_i held fixed
            mu' = mu - g / kb                                adds the users' mean bias

        All three are then cut to where they must lie: |q_i| to `longest_vector`, mu and mu + b_i to [0, 1]. Noise, or
        a hostile row, can make a step useless but never one that grows from round to round, and the checks of updates
        build on it.
        """
        next_state = {name: array.copy() for name, array in state.items()}
        if not float(fused["users"][0]) > 0:
            return next_state
        touched = fused["counts"] > 0
        rows = fused["row_ids"][touched]
        counts = fused["counts"][touched, None]
        penalty = self.regularisation * (counts + self.prior_ratings)
        factors = state["item_factors"][rows].astype(np.float64)
        step = -(counts * fused["item_factors"][touched] + penalty * factors) / (counts / self.learning_rate + penalty)
        momentum = self.momentum * state["momentum"][rows] + step
        next_state["item_factors"][rows] = _shorten(factors + momentum, self.longest_vector)
        next_state["momentum"][rows] = _shorten(momentum, 2 * self.longest_vector)
        counts = counts[:, 0]
        biases = state["item_bias"].astype(np.float64)
        errors = counts * fused["item_bias"][touched] + self.bias_regularisation * biases[rows]
        biases[rows] -= errors / (counts + self.bias_regularisation)
        mean = np.clip(state["mean"] - fused["mean"].astype(np.float64) / self.bias_regularisation, 0.0, 1.0)
        next_state["item_bias"] = np.clip(biases, -mean, 1 - mean).astype(np.float32)
        next_state["mean"] = mean.astype(np.float32)
        return next_state

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send. See `GradientRules` for the rules and their derivation."""
        GradientRules(self.factors, item_count, self.longest_vector).check(update)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return three noisy gradients and a count of one for every item, and one user."""
        del clipping_norm
        return NoisyForm(
            noisy=gradient_layout(item_count, self.factors),
            row_arrays=("item_factors", "item_bias"),
            semidefinite=(),
            public={
                "row_ids": np.arange(item_count, dtype=np.uint32),
                "counts": np.ones(item_count, dtype=np.uint32),
                "users": np.ones(1, dtype=np.uint32),
            },
        )

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Predict the rating of every item. Shape (users, items).

        Not cut to the range: among items that would all get the greatest rating there would be no order. Whoever
        wants a rating cuts (`common.rating_metrics.predicted_ratings`).
        """
        units = user_vectors[:, :-1] @ state["item_factors"].T
        units += state["item_bias"] + state["mean"]
        units += user_vectors[:, -1:]
        units *= np.float32(self.greatest_rating - self.least_rating)
        units += np.float32(self.least_rating)
        predicted: FloatArray = units
        return predicted

    def example_count(self, update: Arrays) -> int:
        """Return the sum of the counts: ratings, not users."""
        return int(update["counts"].sum(dtype=np.int64))

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return how many rated each item, and the sums that its mean gradient is of."""
        sums = update["item_factors"] * update["counts"].astype(np.float32)[:, None]
        return (touched_claims(int(update["users"][0]), update["row_ids"], update["counts"], sums),)

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Let the ratings of an item count for fewer; where its sum is shortened more than that, so is the mean."""
        counts, sums = cuts[0]
        shortened = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
        return (
            update | cut_rows(update, ("item_factors", "item_bias"), shortened) | {"counts": update["counts"] * counts}
        )

    def targets(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Return t_ui - mu - b_i for every rating. Shape (ratings,)."""
        least, greatest = np.float32(self.least_rating), np.float32(self.greatest_rating)
        units = (histories.ratings - least) / (greatest - least)
        targets: FloatArray = units - state["mean"] - state["item_bias"][histories.items]
        return targets


def error_sums(
    item_factors: FloatArray,
    targets: FloatArray,
    user_vectors: FloatArray,
    train: UserItems,
    row_ids: NDArray[np.intp],
    weights: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return sum_u w_u e_ui (p_u, 1) over the users of each item in `row_ids`, and sum_i e_ui of each user.

    Shapes (touched, factors + 1) and (users,). Weights, shape (users,), are 1 where there are none. The errors of a
    few hundred users fill a dense (users, touched) matrix, so that the sum is one product.
    """
    column_of = np.zeros(len(item_factors), dtype=np.intp)
    column_of[row_ids] = np.arange(len(row_ids))
    columns = column_of[train.items]
    touched = item_factors[row_ids]
    sums = np.zeros((len(row_ids), user_vectors.shape[1]), dtype=np.float32)
    user_sums = np.zeros(train.user_count, dtype=np.float32)
    for start in range(0, train.user_count, USERS_SUMMED_TOGETHER):
        bounds = train.indptr[start : start + USERS_SUMMED_TOGETHER + 1]
        own = slice(bounds[0], bounds[-1])
        pairs = (np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), columns[own])
        vectors = user_vectors[start : start + len(bounds) - 1].copy()
        predicted = vectors[:, :-1] @ touched.T + vectors[:, -1:]
        errors = np.zeros_like(predicted)
        errors[pairs] = targets[own] - predicted[pairs]
        vectors[:, -1] = 1.0
        if weights is not None:
            vectors *= weights[start : start + len(vectors), None]
        sums += errors.T @ vectors
        user_sums[start : start + len(vectors)] = errors.sum(axis=1)
    return sums, user_sums


def _shorten(vectors: NDArray[np.float64], longest: float) -> FloatArray:
    """Return the rows as float32, those that are longer cut to this length."""
    lengths = np.sqrt(np.einsum("if,if->i", vectors, vectors))
    shortened: FloatArray = (vectors * (longest / np.maximum(lengths, longest))[:, None]).astype(np.float32)
    return shortened
