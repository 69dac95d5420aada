"""Implicit alternating least squares, with the item side turned into one server step on sums.

Central iALS [Hu, Koren, Volinsky (2008); regularisation scaled by frequency: Rendle et al. (2022), "Revisiting the
performance of iALS on item recommendation benchmarks", Eq. 11 with nu = 1] minimises, over user vectors p and item
factors q, with targets 1 for interactions and 0 for every pair,

    L = sum_(u,i in S) (1 - p_u.q_i)^2  +  a0 sum_(all u,i) (p_u.q_i)^2
        + lam sum_u (n_u + a0 I) |p_u|^2  +  lam sum_i (n_i + a0 U) |q_i|^2

where n_u and n_i count interactions, I items and U users.

We differ in the item half: solving it exactly would need one d x d matrix per item from every client. Instead each
client solves its users exactly and uploads sums from which half the gradient of L with respect to every q_i follows,

    R_i = sum_(u: i in S_u) (1 - p_u.q_i) p_u,      GP = sum_u p_u p_u',      n_i,      U
    -dL/dq_i / 2 = R_i - a0 GP q_i - lam (n_i + a0 U) q_i

and the server takes a step preconditioned by an approximation of the item's own matrix, in which the users that chose
item i are taken to be spread like all users, sum_(u: i in S_u) p_u p_u' ~ (n_i / U) GP. The factor kappa damps it.
Uploads are sums, so however users are divided into clients, the model is the same up to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.ials_checks import UpdateRules
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.row_claims import RowClaims, RowCut, cut_rows, touched_claims

USERS_SOLVED_TOGETHER = 16  # 16 matrices of 128 x 128 float64 stay in a 2 MiB cache
USERS_SUMMED_TOGETHER = 256

USERS_PER_NORM, SHARE_OF_USERS = 2.0, 0.01
"""Users for each unit of |(R, GP)|, and the share of them that has an item: measured on clients of 134 users of the
bundled data (norms mostly 60 to 80, 1.6 %). What stands for a client's own counts when these are withheld."""


@dataclass(frozen=True)
class Ials:
    """Federated iALS. State: "item_factors" and "momentum", both float32 of shape (items, factors).

    Update: "row_ids" uint32 ascending (touched items), "residual" float32 (touched, factors) = R, "counts" uint32
    (touched,) = n_i, "gram" float64 (factors, factors) = GP, "users" uint32 (1,) = U. In a fused update, counts and
    users are weighted sums and therefore float64.

    The defaults were chosen on validation items. On ml-latest-small-2016 they are within 0.006 NDCG@10 of the best of
    48 settings, less than the standard error; on MovieLens-1M 128 factors are worth 0.006 more.
    """

    name: ClassVar[str] = "ials"
    sends_sums: ClassVar[bool] = True
    rating_range: ClassVar[None] = None

    factors: int = 64
    """Length d of a vector."""
    alpha0: float = 0.25
    """Weight a0 of every pair, seen or not, against 1 for an interaction."""
    regularisation: float = 0.006
    """Strength lam of the L2 penalty, per interaction of the user or item."""
    kappa: float = 2.0
    """Damping of the server's step: how strongly an item's own users enter its preconditioner."""
    momentum: float = 0.3
    """Share of the previous server step that is added to this one."""

    def __post_init__(self) -> None:
        if not 1 <= self.factors <= 4096:
            raise WrongUse(f"factors must lie between 1 and 4096, not {self.factors}")
        for label, value in (("alpha0", self.alpha0), ("regularisation", self.regularisation)):
            if not 0 < value < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {value}")
        if not 0 <= self.kappa < float("inf"):
            raise WrongUse(f"kappa must be at least 0 and finite, not {self.kappa}")
        if not 0 <= self.momentum < 1:
            raise WrongUse(f"momentum must lie in [0, 1), not {self.momentum}")

    def at(self, state: Arrays) -> "Ials":
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw item factors from N(0, 0.01 / d), so that a score starts near 0; the momentum is zero."""
        factors = rng.normal(0.0, 0.1 / np.sqrt(self.factors), (item_count, self.factors)).astype(np.float32)
        return {"item_factors": factors, "momentum": np.zeros_like(factors)}

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Solve the client's users exactly, then sum R, GP and the counts over them: `update_of`."""
        user_vectors = self.fold_in(state, train)
        return self.update_of(state, train, user_vectors), user_vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the sums over a client's users."""
        item_factors = state["item_factors"]
        counts = np.bincount(train.items, minlength=train.item_count)
        row_ids = np.flatnonzero(counts)
        wide = user_vectors.astype(np.float64)
        return {
            "row_ids": row_ids.astype(np.uint32),
            "residual": residual_sums(item_factors, user_vectors, train, row_ids, user_vectors),
            "counts": counts[row_ids].astype(np.uint32),
            "gram": wide.T @ wide,
            "users": np.array([train.user_count], dtype=np.uint32),
        }

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Minimise L over each user's vector, the items held fixed. A user without items gets zeros.

        p_u = (Q_S' Q_S + a0 Q'Q + lam (n_u + a0 I) Id)^-1 Q_S' 1, where Q_S are the factors of the user's items.
        The products are summed in float32 and solved in float64: on MovieLens-1M with 64 factors a vector is within
        4e-6 of the all-float64 one, relative to its length (median 7e-7).
        """
        item_factors = state["item_factors"]
        item_count, d = item_factors.shape
        everywhere = (self.alpha0 * (item_factors.T @ item_factors)).astype(np.float64)
        lengths = np.diff(histories.indptr)
        gathered = np.empty((int(lengths.max(initial=0)), d), dtype=np.float32)
        ones = np.ones(len(gathered), dtype=np.float32)
        matrices = np.empty((USERS_SOLVED_TOGETHER, d, d))
        diagonals = matrices.reshape(USERS_SOLVED_TOGETHER, d * d)[:, :: d + 1]
        targets = np.empty((USERS_SOLVED_TOGETHER, d, 1))
        user_vectors = np.empty((histories.user_count, d), dtype=np.float32)
        for start in range(0, histories.user_count, USERS_SOLVED_TOGETHER):
            size = min(USERS_SOLVED_TOGETHER, histories.user_count - start)
            for slot in range(size):
                first, last = histories.indptr[start + slot : start + slot + 2]
                own = np.take(item_factors, histories.items[first:last], 0, gathered[: last - first], "clip")
                np.add(everywhere, own.T @ own, out=matrices[slot])
                targets[slot, :, 0] = ones[: len(own)] @ own
            penalties = self.regularisation * (lengths[start : start + size] + self.alpha0 * item_count)
            diagonals[:size] += penalties[:, None]
            # The matrices are symmetric; seen transposed, LAPACK gets them in its own order, which is 10 % faster.
            solved = np.linalg.solve(matrices[:size].transpose(0, 2, 1), targets[:size])
            user_vectors[start : start + size] = solved[:, :, 0]
        return user_vectors

    def fuse(self, updates: Sequence[Arrays], shares: Sequence[float]) -> Arrays:
        """Add updates, each times its share, in float64; residuals end as float32, rows as their union."""
        if not updates:
            raise ValueError("nothing to fuse")
        row_ids = np.unique(np.concatenate([update["row_ids"] for update in updates]))
        residual = np.zeros((len(row_ids), self.factors))
        counts = np.zeros(len(row_ids))
        gram = np.zeros((self.factors, self.factors))
        users = 0.0
        for update, share in zip(updates, shares, strict=True):
            rows = np.searchsorted(row_ids, update["row_ids"])
            residual[rows] += share * update["residual"].astype(np.float64)
            counts[rows] += share * update["counts"]
            gram += share * update["gram"]
            users += share * float(update["users"][0])
        return {
            "row_ids": row_ids,
            "residual": residual.astype(np.float32),
            "counts": counts,
            "gram": gram,
            "users": np.array([users]),
        }

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take the preconditioned step with momentum. A fused update of no users leaves the state as it is.

        With GP = E diag(w) E' and li = lam (n_i + a0 U):
        step_i = E [ E' (R_i - a0 GP q_i - li q_i) / ((kappa n_i / U + a0) w + li) ]
        V' = momentum V + step,   Q' = Q + V'
        """
        users = float(fused["users"][0])
        if users <= 0:
            return {name: array.copy() for name, array in state.items()}
        item_factors = state["item_factors"]
        rows = fused["row_ids"]
        counts = np.zeros(len(item_factors))
        counts[rows] = fused["counts"]
        penalty = (self.regularisation * (counts + self.alpha0 * users)).astype(np.float32)[:, None]
        own_share = (counts * (self.kappa / users) + self.alpha0).astype(np.float32)[:, None]
        spectrum, basis = np.linalg.eigh(fused["gram"])
        # A client may round a singular matrix to one slightly below zero, which must not flip the step.
        spectrum = np.maximum(spectrum, 0.0).astype(np.float32)
        basis = basis.astype(np.float32)
        step = item_factors @ basis
        step *= -(np.float32(self.alpha0) * spectrum + penalty)
        step[rows] += fused["residual"] @ basis
        step /= own_share * spectrum + penalty
        momentum = np.float32(self.momentum) * state["momentum"] + step @ basis.T
        return {"item_factors": item_factors + momentum, "momentum": momentum}

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send. See `UpdateRules` for the rules and their derivation."""
        UpdateRules(self.factors, item_count, self.alpha0, self.regularisation).check(update)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return noisy sums for every item; counts are those of a client whose sums have the clipping norm."""
        users = max(1, round(USERS_PER_NORM * clipping_norm))
        return NoisyForm(
            noisy={"residual": ("<f4", (item_count, self.factors)), "gram": ("<f8", (self.factors, self.factors))},
            row_arrays=("residual",),
            semidefinite=("gram",),
            public={
                "row_ids": np.arange(item_count, dtype=np.uint32),
                "counts": np.full(item_count, max(1, round(SHARE_OF_USERS * users)), dtype=np.uint32),
                "users": np.array([users], dtype=np.uint32),
            },
        )

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return p_u.q_i for every item. Shape (users, items)."""
        scores: FloatArray = user_vectors @ state["item_factors"].T
        return scores

    def example_count(self, update: Arrays) -> int:
        """Return the sum of the counts: interactions, not users."""
        return int(update["counts"].sum(dtype=np.int64))

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return counts and residuals as they are."""
        users = int(update["users"][0])
        return (touched_claims(users, update["row_ids"], update["counts"], update["residual"]),)

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Shorten residuals and counts; GP and the users stay."""
        counts = update["counts"] * cuts[0].counts
        return update | cut_rows(update, ("residual",), cuts[0].sums) | {"counts": counts}


def residual_sums(
    item_factors: FloatArray,
    user_vectors: FloatArray,
    train: UserItems,
    row_ids: NDArray[np.intp],
    weighted_vectors: FloatArray,
) -> FloatArray:
    """Return R_i = sum over the users of item i of (1 - p_u.q_i) v_u, for the items in `row_ids`.

    v_u is p_u, or p_u times the weight of the user's client.

    The errors of a few hundred users fill a dense (users, touched) matrix, so that the sum is one product.
    """
    column_of = np.zeros(len(item_factors), dtype=np.intp)
    column_of[row_ids] = np.arange(len(row_ids))
    columns = column_of[train.items]
    touched = item_factors[row_ids]
    sums = np.zeros((len(row_ids), item_factors.shape[1]), dtype=np.float32)
    for start in range(0, train.user_count, USERS_SUMMED_TOGETHER):
        bounds = train.indptr[start : start + USERS_SUMMED_TOGETHER + 1]
        pairs = (np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)), columns[bounds[0] : bounds[-1]])
        vectors = user_vectors[start : start + len(bounds) - 1]
        errors = np.zeros((len(vectors), len(row_ids)), dtype=np.float32)
        errors[pairs] = 1.0 - (vectors @ touched.T)[pairs]
        sums += errors.T @ weighted_vectors[start : start + len(vectors)]
    return sums
