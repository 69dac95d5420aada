"""Several models of the same items, trained in the same rounds and added up, that know nothing of each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np

from common.data.user_items import UserItems
from common.errors import Rejected, WrongUse
from common.models.ials import Ials
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.row_claims import RowClaims, RowCut


class Branch(NamedTuple):
    """One of the models.

    Fields:
        prefix: What the names of its arrays begin with, in states, updates and fused updates.
        model: With an interface of its own.
        length: Of its user vectors.
        weight: Of its scores in the sum.
    """

    prefix: str
    model: Ials | Ncf | SampledNcf
    length: int
    weight: float


class SideBySide(ABC):
    """What does not depend on which branches there are.

    Arrays: those of each branch under its prefix. A user's vector is its vectors in all branches, one after another.
    Nothing is kept at a client between rounds beyond what a branch keeps, and one update carries all branches' parts.
    """

    name: ClassVar[str] = "ncf"
    rating_range: ClassVar[None] = None

    @property
    @abstractmethod
    def branches(self) -> tuple[Branch, ...]:
        """Return the branches in their order."""

    def at(self, state: Arrays) -> Self:
        """Return itself: every state is one of this model."""
        del state
        return self

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw all branches in their order."""
        return self.of_all(lambda branch: branch.model.initial_state(item_count, rng))

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Take all branches' steps."""
        user_vectors = self.fold_in(state, train)
        return self.update_of(state, train, user_vectors), user_vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return all branches' updates, each of its own columns of the vectors."""
        vectors = self._columns(user_vectors)
        return self.of_all(
            lambda branch: branch.model.update_of(part_of(state, branch.prefix), train, vectors[branch.prefix])
        )

    def fuse(self, updates: Sequence[Arrays], shares: Sequence[float]) -> Arrays:
        """Fuse each branch's parts."""
        return self.of_all(
            lambda branch: branch.model.fuse([part_of(update, branch.prefix) for update in updates], shares)
        )

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take all branches' server steps."""
        return self.of_all(
            lambda branch: branch.model.apply(part_of(state, branch.prefix), part_of(fused, branch.prefix))
        )

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what a branch rejects, and whatever belongs to none."""
        prefixes = tuple(branch.prefix for branch in self.branches)
        if any(not name.startswith(prefixes) for name in update):
            raise Rejected("an array belongs to neither branch")
        for branch in self.branches:
            branch.model.check_update(part_of(update, branch.prefix), item_count)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Refuse: `Settings` lets nobody ask for noise on branches, whose norms would have to be clipped as one.

        Raises:
            WrongUse: always.
        """
        del item_count, clipping_norm
        raise WrongUse("noise on several branches is not built; choose --variant gmf or --model ials.")

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users to each branch. Shape (users, sum of the branches' lengths)."""
        return np.concatenate(
            [branch.model.fold_in(part_of(state, branch.prefix), histories) for branch in self.branches], axis=1
        )

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return the weighted sum of the branches' scores for every item. Shape (users, items)."""
        vectors, sums = self._columns(user_vectors), np.zeros((), dtype=np.float32)
        for branch in self.branches:
            scores = branch.model.scores(part_of(state, branch.prefix), vectors[branch.prefix])
            scores *= np.float32(branch.weight)
            sums = np.add(sums, scores, out=scores)
        return sums

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the client says it trained on."""
        first = self.branches[0]
        return first.model.example_count(part_of(update, first.prefix))

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return the branches' claims, one after another."""
        return tuple(
            claims for branch in self.branches for claims in branch.model.claims(part_of(update, branch.prefix))
        )

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Give every branch the cuts of its own claims."""
        left = iter(cuts)

        def cut_branch(branch: Branch) -> Arrays:
            own = part_of(update, branch.prefix)
            return branch.model.cut(own, [next(left) for _ in branch.model.claims(own)])

        return self.of_all(cut_branch)

    def _columns(self, user_vectors: FloatArray) -> dict[str, FloatArray]:
        """Return each branch's columns as it made them: products of views end in other bits."""
        ends = np.cumsum([branch.length for branch in self.branches])
        parts = np.split(user_vectors, ends[:-1], axis=1)
        return {branch.prefix: np.ascontiguousarray(part) for branch, part in zip(self.branches, parts, strict=True)}

    def of_all(self, make: Callable[[Branch], Arrays]) -> Arrays:
        """Return what `make` returns for each branch, under its prefix."""
        return {branch.prefix + name: array for branch in self.branches for name, array in make(branch).items()}


def part_of(arrays: Arrays, prefix: str) -> Arrays:
    """Return one branch's arrays under its own names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
