"""NCF under a loss that compares a user's items with a few drawn ones: binary cross-entropy, or BPR.

Scores are those of `Ncf`, the losses those of `common.models.ncf_slots`. With e_i counting how often item i is a slot,

    L = loss + sum_u lam_u / 2 (n_u + c) |(p_u, m_u)|^2  +  sum_i lam_i / 2 max(e_i, floor) |(q_i, z_i)|^2

As under the softmax, a client first minimises L over its users' vectors from a fixed start, and then takes the gradient
in the shared part there; nothing is kept between rounds. What is drawn follows from the seed, the round and the user's
own items, anew in each round (`sample_training_negatives`).

An item that is neither a client's nor drawn by it has no part in the loss, so an update holds the touched rows alone:
the mean gradient of each, and how often it was a slot. Rows are averaged over the clients that touched them, by weight
times that count [T-FedRS, 3.3]:

    row_i = sum_k w_k e_ki row_ki / max(sum_k w_k e_ki, floor)

With the floor, a row that few slots touch moves by little under plain descent; under Adam, which looks at the direction
more than at the length, its penalty outweighs them. Rows that nobody touched in a round stay where they are.

These losses are less accurate than the softmax (docs/measurements.md); their updates are smaller where clients are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, get_args

import numpy as np

from common.data.negatives import sample_training_negatives
from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_layout import gradient_layout
from common.models.ncf_sampled_checks import SampledRules, slots_of_interaction
from common.models.ncf_slots import CURVATURE, SampledLoss, Slots
from common.models.ncf_users import Catalogue, groups
from common.models.row_claims import RowClaims, RowCut
from common.seeding import generator


@dataclass(frozen=True)
class SampledNcf:
    """Federated NCF under a sampled loss.

    State: that of `Ncf`, and "seed" uint32 (1,), from which negatives are drawn.

    Update: "row_ids" uint32 (touched,), ascending; for these "item_factors" float32 (touched, vector length) and
    "item_bias" float32 (touched,), gradients per slot, and "counts" uint32 (touched,) = e_ki; "network" float32, its
    gradient per interaction. A fused update has the counts as weighted sums, float64, and "weight" float64 (1,).
    """

    name: ClassVar[str] = "ncf"
    sends_sums: ClassVar[bool] = False
    rating_range: ClassVar[None] = None

    loss: SampledLoss = "bce"
    """Binary cross-entropy, or Bayesian personalised ranking."""
    negatives: int = 4
    """N: items drawn against each interaction, anew in each round."""
    row_floor: float = 10.0
    """A row that was a slot less often counts as if it had been so often, with no gradient in the rest."""
    prior_interactions: float = 40.0
    """c: for how many interactions a user's penalty counts in addition to its own."""
    ncf: Ncf = field(default_factory=Ncf)
    """Sizes, penalties, learning rates and optimisers; its `display` is not used."""

    def __post_init__(self) -> None:
        if self.loss not in get_args(SampledLoss):
            raise WrongUse(f"a sampled loss must be bce or bpr, not {self.loss!r}")
        if not 1 <= self.negatives <= 1024:
            raise WrongUse(f"negatives must lie between 1 and 1024, not {self.negatives}")
        for label in ("row_floor", "prior_interactions"):
            if not 0 < getattr(self, label) < float("inf"):
                raise WrongUse(f"{label} must be positive and finite, not {getattr(self, label)}")

    @property
    def variant(self) -> str:
        """Which branches it has."""
        return self.ncf.variant

    @property
    def gmf_length(self) -> int:
        """Columns of a vector that belong to the GMF branch."""
        return self.ncf.gmf_length

    def at(self, state: Arrays) -> "SampledNcf":
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw the state of `Ncf`, then the seed of the negatives."""
        return self.ncf.initial_state(item_count, rng) | {"seed": rng.integers(0, 2**32, 1, dtype=np.uint32)}

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Fit the users, then sum the gradients of the shared part over them: `update_of`."""
        batch = Batch(self, state, train)
        vectors = self._zeros(train)
        return self._update(batch, batch.fitting(vectors), vectors), vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the mean gradients of the rows that a client's users touch, per slot, and of the network."""
        batch = Batch(self, state, train)
        return self._update(batch, batch.slots(), user_vectors)

    def _update(self, batch: "Batch", fitted: Iterable[tuple[slice, Slots]], vectors: FloatArray) -> Arrays:
        catalogue, width = batch.catalogue, len(batch.row_ids)
        factor_sums = np.zeros((width, self.gmf_length), dtype=np.float32)
        bias_sums, counts = np.zeros(width, dtype=np.float32), np.zeros(width, dtype=np.int64)
        for users, slots in fitted:
            errors = slots.residuals(catalogue.scores(vectors[users]))
            factor_sums += errors.T @ vectors[users, : self.gmf_length]
            bias_sums += errors.sum(axis=0)
            counts += np.bincount(slots.at % width, slots.counts, width).astype(np.int64)
            if catalogue.tower is not None:
                catalogue.tower.add_gradient(errors)
        network_sum = np.zeros(0, dtype=np.float32)
        if catalogue.tower is not None:
            tower_sums, network_sum = catalogue.tower.gradient()
            factor_sums = np.concatenate((factor_sums, tower_sums), axis=1)
        slots_of_row = counts.astype(np.float32)
        return {
            "row_ids": batch.row_ids.astype(np.uint32),
            "item_factors": factor_sums / slots_of_row[:, None],
            "item_bias": bias_sums / slots_of_row,
            "counts": counts.astype(np.uint32),
            "network": network_sum / np.float32(max(1, int(batch.train.indptr[-1]))),
        }

    def _zeros(self, users: UserItems) -> FloatArray:
        return np.zeros((users.user_count, self.gmf_length + self.ncf.layout.vector_length), dtype=np.float32)

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Average rows by weight times count, with the floor, and the network by weight; in float64, then float32.

        Weights are relative to 1: K equal ones are those of a round in which K clients count alike.
        """
        if not updates:
            raise ValueError("nothing to fuse")
        row_ids = np.unique(np.concatenate([update["row_ids"] for update in updates]))
        rows = np.zeros((len(row_ids), updates[0]["item_factors"].shape[1]))
        biases, counts = np.zeros(len(row_ids)), np.zeros(len(row_ids))
        network = np.zeros(self.ncf.layout.size)
        for update, weight in zip(updates, weights, strict=True):
            at = np.searchsorted(row_ids, update["row_ids"])
            share = weight * update["counts"]
            rows[at] += share[:, None] * update["item_factors"]
            biases[at] += share * update["item_bias"]
            counts[at] += share
            network += weight * update["network"].astype(np.float64)
        total, floored = float(sum(weights)), np.maximum(counts, self.row_floor)
        return {
            "row_ids": row_ids,
            "item_factors": (rows / floored[:, None]).astype(np.float32),
            "item_bias": (biases / floored).astype(np.float32),
            "counts": counts,
            "network": (network / (total or 1.0)).astype(np.float32),
            "weight": np.array([total]),
        }

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Step on touched rows and network (`ServerOptimizer`) and on biases. Nothing changes without any weight.

        Biases: b_i - gradient / curvature, with the bound on the curvature of a slot. No learning rate is needed.
        """
        next_state = {name: array.copy() for name, array in state.items()}
        if not float(fused["weight"][0]) > 0:
            return next_state
        touched = fused["counts"] > 0
        rows = fused["row_ids"][touched]
        penalty = np.float32(self.ncf.item_regularisation) * state["item_factors"][rows]
        next_state |= self.ncf.stepped(state, fused["item_factors"][touched] + penalty, fused["network"], rows)
        next_state["item_bias"][rows] -= fused["item_bias"][touched] / np.float32(CURVATURE[self.loss])
        return next_state

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send. See `SampledRules` for the rules."""
        vector_length = self.gmf_length + self.ncf.layout.vector_length
        SampledRules(item_count, vector_length, self.ncf.layout.size, self.loss, self.negatives).check(update)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return three noisy gradients and, for every item, a count that the floor leaves alone."""
        del clipping_norm
        vector_length = self.gmf_length + self.ncf.layout.vector_length
        return NoisyForm(
            noisy=gradient_layout(item_count, vector_length, self.ncf.layout.size),
            row_arrays=("item_factors", "item_bias"),
            semidefinite=(),
            public={
                "row_ids": np.arange(item_count, dtype=np.uint32),
                "counts": np.full(item_count, np.ceil(self.row_floor), dtype=np.uint32),
            },
        )

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Minimise L over each user's vectors, all else held fixed, against the negatives that this state draws."""
        vectors = self._zeros(histories)
        for _ in Batch(self, state, histories).fitting(vectors):
            pass
        return vectors

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score as `Ncf` does. Shape (users, items)."""
        return self.ncf.scores(state, user_vectors)

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the counts are those of."""
        return int(update["counts"].sum(dtype=np.int64)) // slots_of_interaction(self.loss, self.negatives)

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return nothing: counts are of positive and drawn items together, which no public history is like."""
        del update
        return ()

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Return the update: there is nothing to cut by."""
        del cuts
        return update


class Batch:
    """A client's users, what was drawn for them, and the part of the catalogue that this touches.

    Attributes:
        train: The users.
        row_ids: Items that are theirs or drawn, ascending.
        catalogue: Of these items alone, in the state that it was made for.
    """

    def __init__(self, model: SampledNcf, state: Arrays, train: UserItems) -> None:
        key = generator(int(state["seed"][0]), "training-negatives", int(state["steps"][0])).integers(2**63)
        negatives = sample_training_negatives(train, model.negatives, int(key))
        self._model, self.train = model, train
        self.row_ids = np.union1d(train.items, negatives)
        self._items = np.searchsorted(self.row_ids, train.items)
        self._negatives = np.searchsorted(self.row_ids, negatives)
        self.catalogue = self.catalogue_in(state)

    def catalogue_in(self, state: Arrays) -> Catalogue:
        """Return the same items as they are in another state."""
        own = {name: state[name][self.row_ids] for name in ("item_factors", "item_bias")}
        return self._model.ncf.catalogue(state | own)

    def slots(self) -> Iterator[tuple[slice, Slots]]:
        """Yield a few users after another: their rows, and what the loss looks at."""
        for users, own in groups(self.train, self.catalogue.users_together):
            first, last = self.train.indptr[[users.start, users.stop]]
            items, negatives = self._items[first:last], self._negatives[first:last]
            yield users, Slots.of(self._model.loss, own, items, negatives, len(self.row_ids))

    def fitting(self, vectors: FloatArray) -> Iterator[tuple[slice, Slots]]:
        """Yield what `slots` does, once these users' rows of `vectors` have been filled in."""
        features, penalty = self.catalogue.at_zero()[1], self.penalties()
        for users, slots in self.slots():
            hessians = slots.hessians(features)
            vectors[users] = slots.fit(self.catalogue, hessians, penalty[users], self._model.ncf.user_steps)
            yield users, slots

    def penalties(self) -> FloatArray:
        """Return lam_u (n_u + c). Shape (users, 1)."""
        counts = self.train.counts.astype(np.float32)[:, None]
        return np.float32(self._model.ncf.user_regularisation) * (counts + np.float32(self._model.prior_interactions))
