"""NCF that starts from a few rounds of federated iALS: accurate after a round or two, and NCF from then on.

The item factors that iALS ends with become the items of NCF's GMF branch. Their scale matters, because iALS scores lie
near 0 and 1 and NCF's are logarithms of probabilities: users' vectors are fitted anew, but under a penalty. The biases
start as the logarithms of the items' shares of all interactions, the MLP branch as it always does. For binary
cross-entropy such biases are low by the logarithm of items over negatives; right ones are worse on validation, where
after ten rounds NDCG@10 is .484 with them and .514 so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.ials import Ials
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf

IALS_ONLY = "gram"
"""An array that every iALS update has and no NCF update."""

ITEM_PRIOR = 1.0  # interactions added to each item's, so that an item without any has a logarithm


@dataclass(frozen=True)
class WarmStart:
    """iALS for `rounds` rounds, then NCF. A round in which no update counts is not counted either.

    State in the iALS phase: that of `Ials`, "rounds_left" uint32 (1,) and "seed" uint32 (1,), from which NCF's random
    start is drawn; then that of `Ncf`, no more and no less. Updates are those of the model whose phase it is.

    A fused update holds what updates of either phase came to, "ials/..." and "ncf/...", and `apply` looks at its own
    phase only: an update of the other phase has no effect, even where `check_update_at` did not keep it out.
    """

    first: Ials
    then: Ncf | SampledNcf
    rounds: int
    scale: float = 1.5
    """Factor on the item factors that iALS ends with; chosen on validation items."""

    def __post_init__(self) -> None:
        if self.then.gmf_length != self.first.factors:
            raise WrongUse(
                f"a warm start needs a GMF branch of {self.first.factors} factors, as many as iALS has, "
                f"not {self.then.gmf_length}"
            )
        if not 1 <= self.rounds <= 1_000_000:
            raise WrongUse(f"a warm start takes 1 to 1000000 rounds, not {self.rounds}")
        if not 0 < self.scale < float("inf"):
            raise WrongUse(f"scale must be positive and finite, not {self.scale}")

    @property
    def name(self) -> str:
        """The name of the model that it becomes."""
        return self.then.name

    @property
    def sends_sums(self) -> bool:
        """Of what it becomes; `at(state)` knows the phase."""
        return self.then.sends_sums

    @property
    def rating_range(self) -> None:
        """Neither phase predicts ratings."""
        return None

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw W_0 of iALS, and the seed of NCF's start."""
        return self.first.initial_state(item_count, rng) | {
            "rounds_left": np.array([self.rounds], dtype=np.uint32),
            "seed": rng.integers(0, 2**32, 1, dtype=np.uint32),
        }

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Train as the phase demands."""
        return self.at(state).local_step(state, train)

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the update that the phase demands."""
        return self.at(state).update_of(state, train, user_vectors)

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Fuse the updates of each phase among themselves."""
        if not updates:
            raise ValueError("nothing to fuse")
        fused: Arrays = {}
        for model, of_ials in ((self.first, True), (self.then, False)):
            own = [
                (update, weight)
                for update, weight in zip(updates, weights, strict=True)
                if (IALS_ONLY in update) is of_ials
            ]
            if own:
                together = model.fuse([update for update, _ in own], [weight for _, weight in own])
                fused |= {f"{model.name}/{name}": array for name, array in together.items()}
        return fused

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take the step of the phase; the last iALS step is followed by the change to NCF."""
        prefix = f"{self.at(state).name}/"
        own = {name.removeprefix(prefix): array for name, array in fused.items() if name.startswith(prefix)}
        if not own:
            return {name: array.copy() for name, array in state.items()}
        if "rounds_left" not in state:
            return self.then.apply(state, own)
        next_state = self.first.apply(state, own)
        left = state["rounds_left"] - np.uint32(float(own["users"][0]) > 0)
        if not left.any():
            return self._begin_ncf(next_state["item_factors"], state["seed"], own)
        return next_state | {"rounds_left": left, "seed": state["seed"].copy()}

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send in either phase; `at(state)` knows the phase."""
        (self.first if IALS_ONLY in update else self.then).check_update(update, item_count)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return the form of what it becomes; `at(state)` knows the phase."""
        return self.then.noisy_form(item_count, clipping_norm)

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users as the phase demands."""
        return self.at(state).fold_in(state, histories)

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score as the phase demands. Shape (users, items)."""
        return self.at(state).scores(state, user_vectors)

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the client says it trained on."""
        return (self.first if IALS_ONLY in update else self.then).example_count(update)

    def at(self, state: Arrays) -> Ials | Ncf | SampledNcf:
        """Return the model whose phase it is."""
        return self.first if "rounds_left" in state else self.then

    def _begin_ncf(self, item_factors: FloatArray, seed: NDArray[np.uint32], fused: Arrays) -> Arrays:
        begun = self.then.initial_state(len(item_factors), np.random.default_rng(int(seed[0])))
        begun["item_factors"][:, : self.then.gmf_length] = np.float32(self.scale) * item_factors
        counts = np.full(len(item_factors), ITEM_PRIOR)
        counts[fused["row_ids"]] += fused["counts"]
        begun["item_bias"] = np.log(counts / counts.sum()).astype(np.float32)
        return begun
