"""NCF whose clients take several steps each and send how far they got, of which the server takes the mean.

w <- w + sum_k(weight_k (w_k - w)) / sum_k(weight_k)      [McMahan et al. (2017), "Communication-efficient learning",
                                                             Algorithm 1, with weights in place of example counts]

It scores like `Ncf` and fits users like it. It is there for clients whose steps are noisy, see `client/dp_sgd.py`: what
such steps lead to is all that leaves a client, without counts, exposures or numbers of users, each of which would be a
further release. So every client counts the same, however much it has trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from common.data.user_items import UserItems
from common.errors import CheckFailed, Rejected, WrongUse
from common.models.layout import check_layout
from common.models.model import Arrays, FloatArray, Layout, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_layout import gradient_layout
from common.models.row_claims import RowClaims, RowCut
from common.norms import joint_norm

SHARED = ("item_factors", "item_bias", "network")
"""The arrays that a state and an update consist of."""

STEP = 0.1
"""Learning rate of the step without noise, on gradients that are means per exposure and interaction."""

ROUNDING = 1e-6
"""Relative: a shortened update is this much shorter than the bound, so that float32 does not carry it over."""


@dataclass(frozen=True)
class AveragedNcf:
    """Federated averaging on NCF.

    State: "item_factors" float32 (items, vector length), the GMF columns before the MLP columns; "item_bias" float32
    (items,); "network" float32, see `TowerLayout`, of length 0 without MLP branch.

    Update: the same three arrays, how far each has moved: after - before. A fused update has them and "weight" float64
    (1,).
    """

    name: ClassVar[str] = "ncf"
    sends_sums: ClassVar[bool] = False
    rating_range: ClassVar[None] = None

    ncf: Ncf = field(default_factory=lambda: Ncf(variant="gmf", factors=8, user_regularisation=0.02))
    """What scores and fits users. Its settings for Adam and for items' penalties are not used."""
    largest_move: float = 300.0
    """Bound on the joint L2 length of an update. A client shortens its own to it; the server takes no longer one. With
    the default noisy steps on the bundled data, honest updates measured at most 88; most of that is noise."""
    item_scale: float = 0.3
    """Expected length of each branch of an item's first vector."""

    def __post_init__(self) -> None:
        for label in ("largest_move", "item_scale"):
            if not 0 < getattr(self, label) < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {getattr(self, label)}")

    def at(self, state: Arrays) -> "AveragedNcf":
        """Return itself: every state is one of this model."""
        del state
        return self

    def layout(self, item_count: int) -> Layout:
        """Return type and shape of the arrays of a state, and of an update."""
        vector_length = self.ncf.gmf_length + self.ncf.layout.vector_length
        return gradient_layout(item_count, vector_length, self.ncf.layout.size)

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw both branches of the items' vectors from N(0, item_scale^2 / length), and the network; biases are zero.

        They must not be zero: users start there, so that neither would ever move. What is drawn stays in the rows of
        items that nobody takes, so it is small.
        """
        lengths = [length for length in (self.ncf.gmf_length, self.ncf.layout.vector_length) if length]
        branches = [rng.normal(0.0, self.item_scale / np.sqrt(length), (item_count, length)) for length in lengths]
        return {
            "item_factors": np.concatenate(branches, axis=1).astype(np.float32),
            "item_bias": np.zeros(item_count, dtype=np.float32),
            "network": self.ncf.layout.initial(0.1, rng),
        }

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Take one step without noise, against NCF's own gradient on all interactions.

        For comparisons, and because every model has this method; a client that wants privacy never calls it. A row is
        stepped by its mean gradient per exposure, so that rare items move as far as popular ones.
        """
        vectors = self.ncf.fold_in(state, train)
        return self.update_of(state, train, vectors), vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the step that `local_step` describes."""
        gradient = self.ncf.update_of(state, train, user_vectors)
        return self.shortened({name: np.float32(-STEP) * gradient[name] for name in SHARED})

    def shortened(self, update: Arrays) -> Arrays:
        """Return the update, or where it is longer than `largest_move`, one of just below that length.

        A function of the update alone: after noisy steps this is post-processing and costs no privacy.

        Raises:
            CheckFailed: an entry is not finite.
        """
        length = joint_norm(update, SHARED)
        longest = self.largest_move * (1 - ROUNDING)
        if length <= longest:
            return dict(update)
        return {name: (update[name] * (longest / length)).astype(np.float32) for name in SHARED}

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average by weight, in float64; the means end as float32. Only the proportions of the weights matter.

        Where all weights are zero there is no average: the means are zero and `apply` leaves the state as it is.
        """
        if not updates:
            raise ValueError("nothing to fuse")
        total = float(sum(weights))
        sums = {name: np.zeros(updates[0][name].shape) for name in SHARED}
        for update, weight in zip(updates, weights, strict=True):
            for name in SHARED:
                sums[name] += weight * update[name].astype(np.float64)
        fused: Arrays = {name: (each / total if total > 0 else each).astype(np.float32) for name, each in sums.items()}
        return fused | {"weight": np.array([total])}

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Move by the mean. A fused update of no weight changes nothing."""
        moved = float(fused["weight"][0]) > 0
        return {name: state[name] + fused[name] if moved else state[name].copy() for name in SHARED}

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject another layout, numbers that are not finite, and what is longer than `largest_move`."""
        check_layout(update, self.layout(item_count))
        try:
            length = joint_norm(update, SHARED)
        except CheckFailed:
            raise Rejected("an entry of the update is not finite") from None
        if not length <= self.largest_move:
            raise Rejected(f"the update is longer than {self.largest_move:g}, the largest move")

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return the update as it is: it is dense, and nothing else is sent."""
        del clipping_norm
        return NoisyForm(noisy=self.layout(item_count), row_arrays=(), semidefinite=(), public={})

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users as `Ncf` does, without noise: for their own screens, and for histories that are public anyway."""
        return self.ncf.fold_in(state, histories)

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score as `Ncf` does. Shape (users, items)."""
        return self.ncf.scores(state, user_vectors)

    def example_count(self, update: Arrays) -> int:
        """Return 1, the same for everybody: how many interactions a client has is its secret."""
        del update
        return 1

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return nothing: no counts are sent, and every row holds noise."""
        del update
        return ()

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Return the update: there is nothing to cut by."""
        del cuts
        return update
