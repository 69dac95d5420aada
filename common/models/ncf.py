"""Neural collaborative filtering, trained by a federation on the whole catalogue at once.

A user u and an item i score [He et al. (2017), "Neural collaborative filtering", Eq. 12, NeuMF]

    s_ui = p_u . q_i  +  h . tower(m_u, z_i)  +  b_i

where p and q are the vectors of the GMF branch, m and z those of the MLP branch. We differ from the paper in three
points. The output weights of the GMF branch are not kept: p_u absorbs them. An item has a bias, which the softmax
below wants and the paper's sampled cross-entropy does not. And the loss is the softmax over the catalogue, because
cross-entropy against a few sampled negatives is markedly less accurate. With n_u interactions S_u of user u,

    L = sum_u [ n_u log sum_i exp(s_ui) - sum_(i in S_u) s_ui + lam_u / 2 (n_u + a0 I) |(p_u, m_u)|^2 ]
        + lam_i / 2 sum_i (n_i + a0 U) |(q_i, z_i)|^2

Users' vectors are private, the rest is shared. A client first minimises L over its users' vectors, from a fixed start
in a fixed number of steps, and then takes the gradient of L in the shared part: at a minimum over the users, that is
all of the gradient [envelope theorem]. Nothing is kept between rounds, so a client may miss any number of them. The
server takes a step on items and network, by default Adam's, and one of iterative proportional fitting on the biases.

Every item is pushed down by every user's softmax, so every client touches every row. The exposure of a row at client k
is therefore e_ki = n_ki + a0 U_k: its interactions, and a small share for being on display. A client sends the mean
gradient of a row per exposure, and rows are fused by weight times exposure [T-FedRS, 3.3]; where weights are equal,
that is the gradient of one client with all users. The network's gradient, per interaction, is fused by weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf_checks import GradientRules
from common.models.ncf_layout import TowerLayout, gradient_layout
from common.models.ncf_users import USERS_IN_TOWER, Catalogue, fit, groups, residuals
from common.models.row_claims import RowClaims, RowCut
from common.models.server_optimizers import ServerOptimizer

Variant = Literal["neumf", "gmf", "mlp"]


@dataclass(frozen=True)
class Ncf:
    """Federated NCF.

    State: "item_factors" float32 (items, vector length), the GMF columns before the MLP columns; "item_bias" float32
    (items,); "network" float32, see `TowerLayout`, of length 0 without MLP branch; for the first and the last of
    these the server optimiser's "mean_of_..." and "square_of_...", where it has them; "steps" int64 (1,).

    Update: "item_factors", "item_bias", "network" as in the state, gradients: means per exposure and, for the
    network, per interaction; "exposure" uint32 (items,) = n_ki; "users" uint32 (1,) = U_k. A fused update has the three
    gradients and "weight" float64 (1,).

    Only a model with an MLP branch imports torch, when it is first used. The defaults were chosen on validation items.
    """

    name: ClassVar[str] = "ncf"
    sends_sums: ClassVar[bool] = False
    rating_range: ClassVar[None] = None

    variant: Variant = "neumf"
    """Both branches, or one of them."""
    factors: int = 64
    """Length of a GMF vector."""
    tower_factors: int = 16
    """Length of an MLP vector."""
    tower_widths: tuple[int, ...] = (16, 8)
    """Units of the MLP's layers."""
    user_regularisation: float = 0.035
    """Strength lam_u of the L2 penalty on users' vectors."""
    item_regularisation: float = 0.07
    """Strength lam_i of the L2 penalty on items' vectors."""
    display: float = 0.02
    """Share a0 of an interaction that every pair counts for, in exposures and in penalties."""
    learning_rate: float = 0.1
    """Of the GMF items' first step."""
    tower_learning_rate: float = 0.01
    """Of the first step of the MLP items and of the network."""
    decay: float = 0.15
    """Learning rates are divided by 1 + decay * steps taken."""
    user_steps: int = 8
    """Steps in which a user's vectors are fitted; those of "neumf" take the MLP for linear."""
    tower_steps: int = 2
    """Of "neumf": further steps with the MLP as it is."""
    item_optimizer: ServerOptimizer = field(default_factory=ServerOptimizer)
    """Moves the items' vectors."""
    network_optimizer: ServerOptimizer = field(default_factory=ServerOptimizer)
    """Moves the network."""

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise WrongUse(f"the variant of ncf must be neumf, gmf or mlp, not {self.variant!r}")
        for label in ("factors", "tower_factors", "user_steps", "tower_steps"):
            length = getattr(self, label)
            if not 1 <= length <= 4096:
                raise WrongUse(f"{label} must lie between 1 and 4096, not {length}")
        if not 1 <= len(self.tower_widths) <= 8 or not all(1 <= width <= 4096 for width in self.tower_widths):
            raise WrongUse(f"tower_widths must be 1 to 8 widths from 1 to 4096, not {self.tower_widths}")
        for label in ("user_regularisation", "item_regularisation", "display", "learning_rate", "tower_learning_rate"):
            if not 0 < getattr(self, label) < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {getattr(self, label)}")
        if not 0 <= self.decay < float("inf"):
            raise WrongUse(f"decay must be at least 0 and finite, not {self.decay}")

    @property
    def gmf_length(self) -> int:
        """Columns of a vector that belong to the GMF branch."""
        return 0 if self.variant == "mlp" else self.factors

    @property
    def layout(self) -> TowerLayout:
        """How the network lies in its array."""
        return TowerLayout(0 if self.variant == "gmf" else self.tower_factors, self.tower_widths)

    @property
    def fitting_steps(self) -> tuple[int, int]:
        """How many steps are taken on the line that stands for the tower, and then with the tower itself."""
        # alone, the MLP is too far from linear for a start on the line
        return (0, self.user_steps) if self.variant == "mlp" else (self.user_steps, self.tower_steps)

    def at(self, state: Arrays) -> "Ncf":
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw items from N(0, 0.05^2) for GMF and N(0, 0.1^2) for the MLP, and the network; biases are zero."""
        factors = rng.normal(0.0, 0.05, (item_count, self.gmf_length))
        tower = rng.normal(0.0, 0.1, (item_count, self.layout.vector_length))
        state: Arrays = {
            "item_factors": np.concatenate((factors, tower), axis=1).astype(np.float32),
            "item_bias": np.zeros(item_count, dtype=np.float32),
            "network": self.layout.initial(0.1, rng),
            "steps": np.zeros(1, dtype=np.int64),
        }
        return state | self.item_optimizer.start(state, "item_factors") | self.network_optimizer.start(state, "network")

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Fit the users, then sum the gradients of the shared part over them."""
        catalogue = self.catalogue(state)
        vectors = self.fit(catalogue, train)
        return self._update(catalogue, train, vectors), vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the mean gradients of the shared part, per exposure and interaction."""
        return self._update(self.catalogue(state), train, user_vectors)

    def _update(self, catalogue: Catalogue, train: UserItems, vectors: FloatArray) -> Arrays:
        gmf, d = catalogue.item_factors, self.gmf_length
        factor_sums, bias_sums = np.zeros(gmf.shape, dtype=np.float32), np.zeros(len(gmf), dtype=np.float32)
        for users, own in groups(train, catalogue.users_together):
            errors = residuals(catalogue.scores(vectors[users]), own)
            factor_sums += errors.T @ vectors[users, :d]
            bias_sums += errors.sum(axis=0)
            if catalogue.tower is not None:
                catalogue.tower.add_gradient(errors)
        network_sum = np.zeros(0, dtype=np.float32)
        if catalogue.tower is not None:
            tower_sums, network_sum = catalogue.tower.gradient()
            factor_sums = np.concatenate((factor_sums, tower_sums), axis=1)
        return self.means(train, factor_sums, bias_sums, network_sum)

    def means(
        self, train: UserItems, factor_sums: FloatArray, bias_sums: FloatArray, network_sum: FloatArray
    ) -> Arrays:
        """Return the update of a client whose gradients have these sums."""
        counts = np.bincount(train.items, minlength=train.item_count)
        exposure = (counts + self.display * train.user_count).astype(np.float32)
        return {
            "item_factors": factor_sums / exposure[:, None],
            "item_bias": bias_sums / exposure,
            "network": network_sum / np.float32(max(1, len(train.items))),
            "exposure": counts.astype(np.uint32),
            "users": np.array([train.user_count], dtype=np.uint32),
        }

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average rows by weight times exposure and the network by weight, in float64; gradients end as float32.

        Only the proportions of the weights matter, so one update alone is the fused update. Where all weights are
        zero there is no average: the gradients are zero and `apply` leaves the state as it is.
        """
        if not updates:
            raise ValueError("nothing to fuse")
        rows = np.zeros(updates[0]["item_factors"].shape)
        biases = np.zeros(len(rows))
        network = np.zeros(self.layout.size)
        exposure = np.zeros(len(rows))
        for update, weight in zip(updates, weights, strict=True):
            share = weight * (update["exposure"] + self.display * float(update["users"][0]))
            rows += share[:, None] * update["item_factors"]
            biases += share * update["item_bias"]
            network += weight * update["network"].astype(np.float64)
            exposure += share
        total = float(sum(weights))
        if total > 0:
            rows /= exposure[:, None]
            biases /= exposure
            network /= total
        return {
            "item_factors": rows.astype(np.float32),
            "item_bias": biases.astype(np.float32),
            "network": network.astype(np.float32),
            "weight": np.array([total]),
        }

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Step on items and network, see `ServerOptimizer`, and fit the biases. Nothing changes without any weight.

        Biases [iterative proportional fitting]: the gradient is (E_i - n_i) / (n_i + a0 U), with E_i the interactions
        that the model expects of item i, so b_i - log(1 + gradient) would make E_i + a0 U what n_i + a0 U is, were it
        not for the other items. As E_i > 0 and n_i <= U, no gradient lies below -1 / (1 + a0), except by noise.
        """
        next_state = {name: array.copy() for name, array in state.items()}
        if not float(fused["weight"][0]) > 0:
            return next_state
        penalty = np.float32(self.item_regularisation) * state["item_factors"]
        next_state |= self.stepped(state, fused["item_factors"] + penalty, fused["network"])
        next_state["item_bias"] -= np.log1p(np.maximum(fused["item_bias"], np.float32(-1 / (1 + self.display))))
        return next_state

    def stepped(
        self,
        state: Arrays,
        item_gradient: FloatArray,
        network_gradient: FloatArray,
        rows: NDArray[np.integer] | slice = slice(None),
    ) -> Arrays:
        """Return the arrays that the server optimisers change. Learning rates fall by 1 / (1 + decay * steps taken).

        Args:
            state: Not changed.
            item_gradient: Of the items' vectors in `rows`, penalty and all.
            network_gradient: As long as the network.
            rows: Items that step.
        """
        taken = int(state["steps"][0])
        decay = 1 + self.decay * taken
        tower_rate = np.float32(self.tower_learning_rate / decay)
        rates = np.full(state["item_factors"].shape[1], tower_rate)
        rates[: self.gmf_length] = self.learning_rate / decay
        items = self.item_optimizer.stepped(state, "item_factors", item_gradient, rates, taken, rows)
        network = self.network_optimizer.stepped(state, "network", network_gradient, tower_rate, taken)
        return items | network | {"steps": state["steps"] + 1}

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send. See `GradientRules` for the rules."""
        vector_length = self.gmf_length + self.layout.vector_length
        GradientRules(item_count, vector_length, self.layout.size, self.display).check(update)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return three noisy gradients and an exposure of one for every item and user."""
        del clipping_norm
        vector_length = self.gmf_length + self.layout.vector_length
        return NoisyForm(
            noisy=gradient_layout(item_count, vector_length, self.layout.size),
            row_arrays=(),
            semidefinite=(),
            public={"exposure": np.ones(item_count, dtype=np.uint32), "users": np.ones(1, dtype=np.uint32)},
        )

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Minimise L over each user's vectors in a fixed number of steps from zero, all else fixed. GMF before MLP."""
        return self.fit(self.catalogue(state), histories)

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return s_ui for every item. Shape (users, items)."""
        catalogue = self.catalogue(state)
        scores = np.empty((len(user_vectors), len(state["item_bias"])), dtype=np.float32)
        size = catalogue.users_together
        for start in range(0, len(user_vectors), size):
            scores[start : start + size] = catalogue.scores(user_vectors[start : start + size])
        return scores

    def example_count(self, update: Arrays) -> int:
        """Return the sum of the counts: interactions, not users."""
        return int(update["exposure"].sum(dtype=np.int64))

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return exposures as counts, the expected interactions that a bias tells, and the sums of the rows."""
        users, counts = int(update["users"][0]), update["exposure"].astype(np.float64)
        exposure = counts + self.display * users
        expected = np.maximum(counts + update["item_bias"] * exposure, 0.0)
        sums = update["item_factors"] * exposure.astype(np.float32)[:, None]
        return (RowClaims(users, np.arange(len(counts)), counts, expected, sums),)

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Let fewer users have an item: less exposure, with as many expected interactions, and a shorter sum."""
        (claims,) = self.claims(update)
        counts = claims.counts * cuts[0].counts
        exposure = counts + self.display * claims.users
        sums = claims.sums * cuts[0].sums[:, None]
        return update | {
            "item_factors": (sums / exposure[:, None]).astype(np.float32),
            "item_bias": ((claims.expected - counts) / exposure).astype(np.float32),
            "exposure": counts,
        }

    def fit(self, catalogue: Catalogue, histories: UserItems) -> FloatArray:
        """Fit users' vectors to a catalogue that is already there. Shape (users, vector length)."""
        prior = self.display * len(catalogue.item_bias)
        return fit(catalogue, histories, self.user_regularisation, prior, *self.fitting_steps)

    def catalogue(self, state: Arrays) -> Catalogue:
        """Return what users' vectors are fitted to, in a form for many users."""
        factors = np.ascontiguousarray(state["item_factors"][:, : self.gmf_length])
        if self.variant == "gmf":
            return Catalogue(factors, state["item_bias"], None)
        from common.models.ncf_network import Tower  # noqa: PLC0415  # torch takes seconds to import

        tower_vectors = state["item_factors"][:, self.gmf_length :]
        tower = Tower(self.layout, state["network"], tower_vectors, USERS_IN_TOWER)
        return Catalogue(factors, state["item_bias"], tower)
