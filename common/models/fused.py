"""iALS and GMF side by side: two opinions of the same items, trained in the same rounds and added up.

    s_ui = weight * p_u . q_i  +  p'_u . q'_i + b_i

The first term is that of `Ials`, the second that of `Ncf` with its GMF branch alone, under any loss. He et al. (2017),
3.4.1, join pre-trained branches by weighting their outputs in the same way. We differ: each branch keeps its own loss,
because training either one on from the other's result has never beaten where it began (docs/measurements.md); the two
err differently enough that their sum is better than both. `weight` brings iALS scores, which lie near 0 and 1, to the
scale of logarithms of probabilities, and was chosen on validation items, under the softmax.

Nothing is kept at a client between rounds, and one update carries both branches' parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.data.user_items import UserItems
from common.errors import Rejected, WrongUse
from common.models.ials import Ials
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf

IALS, GMF = "ials/", "gmf/"
"""What the names of a branch's arrays begin with, in states, updates and fused updates."""


@dataclass(frozen=True)
class Fused:
    """Two branches that know nothing of each other. Arrays: those of `Ials` and of the other, each under its prefix.

    A user vector is the iALS vector before the GMF vector.
    """

    name: ClassVar[str] = "ncf"
    sends_sums: ClassVar[bool] = True  # of both branches' rows; by fedavg every client's network counts the same: none
    rating_range: ClassVar[None] = None

    ials: Ials
    gmf: Ncf | SampledNcf
    weight: float = 16.0
    """Of an iALS score against a GMF score."""

    def __post_init__(self) -> None:
        if self.gmf.variant != "gmf":
            raise WrongUse(f"iALS is fused with the variant gmf, not {self.gmf.variant}")
        if not 0 < self.weight < float("inf"):
            raise WrongUse(f"weight must be positive and finite, not {self.weight}")

    def at(self, state: Arrays) -> "Fused":
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw both branches, iALS first."""
        return self.of_both(lambda model, _: model.initial_state(item_count, rng))

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Take both branches' steps."""
        user_vectors = self.fold_in(state, train)
        return self.update_of(state, train, user_vectors), user_vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return both branches' updates, each of its own columns of the vectors."""
        vectors = self._columns(user_vectors)
        return self.of_both(lambda model, prefix: model.update_of(part_of(state, prefix), train, vectors[prefix]))

    def fuse(self, updates: Sequence[Arrays], shares: Sequence[float]) -> Arrays:
        """Fuse each branch's parts."""
        return self.of_both(lambda model, prefix: model.fuse([part_of(update, prefix) for update in updates], shares))

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take both branches' server steps."""
        return self.of_both(lambda model, prefix: model.apply(part_of(state, prefix), part_of(fused, prefix)))

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what either branch rejects, and whatever belongs to neither."""
        if any(not name.startswith((IALS, GMF)) for name in update):
            raise Rejected("an array belongs to neither branch")
        for model, prefix in self._branches():
            model.check_update(part_of(update, prefix), item_count)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Refuse: `Settings` lets nobody ask for noise on two branches, whose norms would have to be clipped as one.

        Raises:
            WrongUse: always.
        """
        del item_count, clipping_norm
        raise WrongUse("noise on the variant fused is not built; choose --variant gmf or --model ials.")

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users to each branch. Shape (users, 2 factors)."""
        return np.concatenate(
            [model.fold_in(part_of(state, prefix), histories) for model, prefix in self._branches()], axis=1
        )

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return s_ui for every item. Shape (users, items)."""
        vectors = self._columns(user_vectors)
        scores = self.gmf.scores(part_of(state, GMF), vectors[GMF])
        scores += np.float32(self.weight) * self.ials.scores(part_of(state, IALS), vectors[IALS])
        return scores

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the client says it trained on."""
        return self.ials.example_count(part_of(update, IALS))

    def _branches(self) -> tuple[tuple[Ials | Ncf | SampledNcf, str], ...]:
        return (self.ials, IALS), (self.gmf, GMF)

    def _columns(self, user_vectors: FloatArray) -> dict[str, FloatArray]:
        """Return each branch's columns as it made them: products of views end in other bits."""
        length = self.ials.factors
        parts = {IALS: user_vectors[:, :length], GMF: user_vectors[:, length:]}
        return {prefix: np.ascontiguousarray(part) for prefix, part in parts.items()}

    def of_both(self, make: Callable[[Ials | Ncf | SampledNcf, str], Arrays]) -> Arrays:
        """Return what `make` returns for each branch and its prefix, under the prefix."""
        return {
            prefix + name: array for model, prefix in self._branches() for name, array in make(model, prefix).items()
        }


def part_of(arrays: Arrays, prefix: str) -> Arrays:
    """Return one branch's arrays under its own names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
