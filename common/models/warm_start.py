"""NCF that starts from a few rounds of another model: of federated iALS, or of GMF and MLP side by side.

From iALS: the item factors that it ends with become the items of NCF's GMF branch. Their scale matters, because iALS
scores lie near 0 and 1 and NCF's are logarithms of probabilities: users' vectors are fitted anew, but under a penalty.
The biases start as the logarithms of the items' shares of all interactions, the MLP branch as it always does. For
binary cross-entropy such biases are low by the logarithm of items over negatives; right ones are worse on validation,
where after ten rounds NDCG@10 is .484 with them and .514 so.

From GMF and MLP: both branches of NeuMF start trained, see `common.models.gmf_mlp`.

The last model of the first phase is one of the run's models like any other: it is sent, measured and scored, and the
updates that are made from it are NCF's (`Turn`). So the figure that NCF has to beat is known (`server/convergence.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.gmf_mlp import GMF, GmfMlp, tower_of
from common.models.ials import Ials
from common.models.model import Arrays, FloatArray, NoisyForm
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.row_claims import RowClaims, RowCut
from common.models.side_by_side import part_of

FIRST, THEN = "first/", "then/"
"""What the names of a fused update's arrays begin with: the phase that its updates belong to."""

ITEM_PRIOR = 1.0  # interactions added to each item's, so that an item without any has a logarithm


@dataclass(frozen=True)
class Turn:
    """What the first phase's last model is: users see it as one of the first, and its updates are the second's.

    State: that of the first model, and "seed" and, after iALS, "item_bias" float32 (items,) for what begins.
    """

    first: Ials | GmfMlp
    then: Ncf | SampledNcf
    scale: float

    @property
    def name(self) -> str:
        """The name that the header of an update carries: the second model's."""
        return self.then.name

    @property
    def sends_sums(self) -> bool:
        """Of the second model."""
        return self.then.sends_sums

    @property
    def rating_range(self) -> None:
        """Neither model predicts ratings."""
        return None

    def at(self, state: Arrays) -> "Turn":
        """Return itself."""
        del state
        return self

    def begun(self, state: Arrays) -> Arrays:
        """Return the second model's first state, which follows from this one."""
        start = self.first.joined(state) if isinstance(self.first, GmfMlp) else {"item_bias": state["item_bias"]}
        item_count, rng = len(start["item_bias"]), np.random.default_rng(int(state["seed"][0]))
        drawn = self.then.initial_state(item_count, rng)
        if isinstance(self.first, Ials):
            drawn["item_factors"][:, : self.then.gmf_length] = np.float32(self.scale) * state["item_factors"]
        return drawn | start

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Refuse: no run starts here.

        Raises:
            WrongUse: always.
        """
        del item_count, rng
        raise WrongUse("a run starts with the first model of its warm start")

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Return the second model's update, and the users as the first one fits them."""
        user_vectors = self.first.fold_in(state, train)
        return self.update_of(state, train, user_vectors), user_vectors

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the second model's update, whose users are fitted to another state than these vectors were."""
        del user_vectors
        return self.then.local_step(self.begun(state), train)[0]

    def fuse(self, updates: Sequence[Arrays], weights: Sequence[float]) -> Arrays:
        """Fuse as the second model."""
        return self.then.fuse(updates, weights)

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take the second model's first step. Without any weight the first model stays."""
        if not float(fused["weight"][0]) > 0:
            return {name: array.copy() for name, array in state.items()}
        return self.then.apply(self.begun(state), fused)

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what the second model rejects."""
        self.then.check_update(update, item_count)

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return that of the second model."""
        return self.then.noisy_form(item_count, clipping_norm)

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users to the first model."""
        return self.first.fold_in(state, histories)

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score as the first model. Shape (users, items)."""
        return self.first.scores(state, user_vectors)

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the client says it trained on."""
        return self.then.example_count(update)

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return those of the second model's update."""
        return self.then.claims(update)

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Cut as the second model."""
        return self.then.cut(update, cuts)


@dataclass(frozen=True)
class WarmStart:
    """The first model for `rounds` rounds, then NCF. A round in which no update counts is not counted either.

    State in the first phase: that of the first model, "rounds_left" uint32 (1,), which ends at 0 with the state of a
    `Turn`, and "seed" uint32 (1,), from which NCF's random start is drawn; then that of NCF, no more and no less.
    Updates are those of the model whose phase it is.

    A fused update holds what updates of either phase came to, "first/..." and "then/...", and `apply` looks at its own
    phase only: an update of the other phase has no effect, even where `check_update_at` did not keep it out.
    """

    first: Ials | GmfMlp
    then: Ncf | SampledNcf
    rounds: int
    scale: float = 1.5
    """Factor on the item factors that iALS ends with; chosen on validation items."""

    def __post_init__(self) -> None:
        if isinstance(self.first, Ials) and self.then.gmf_length != self.first.factors:
            raise WrongUse(
                f"a warm start needs a GMF branch of {self.first.factors} factors, as many as iALS has, "
                f"not {self.then.gmf_length}"
            )
        if isinstance(self.first, GmfMlp):
            branches = (self.first.gmf.gmf_length, tower_of(self.first.mlp))
            if (self.then.gmf_length, tower_of(self.then)) != branches:
                raise WrongUse("NeuMF is joined from a GMF and an MLP branch of its own sizes")
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
        """Draw W_0 of the first model, and the seed of NCF's start."""
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
        for model, prefix in ((self.first, FIRST), (self.then, THEN)):
            own = [
                (update, weight)
                for update, weight in zip(updates, weights, strict=True)
                if self._is_of_first(update) is (prefix == FIRST)
            ]
            if own:
                together = model.fuse([update for update, _ in own], [weight for _, weight in own])
                fused |= {f"{prefix}{name}": array for name, array in together.items()}
        return fused

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take the step of the phase."""
        in_first = self.prefix(state) == FIRST
        own = part_of(fused, self.prefix(state))
        if not own:
            return {name: array.copy() for name, array in state.items()}
        if not in_first:
            return self.at(state).apply(state, own)
        counted = own["users"] if isinstance(self.first, Ials) else own[f"{GMF}weight"]
        left = state["rounds_left"] - np.uint32(float(counted[0]) > 0)
        next_state = self.first.apply(state, own) | {"rounds_left": left, "seed": state["seed"].copy()}
        if not left.any() and isinstance(self.first, Ials):
            counts = np.full(len(next_state["item_factors"]), ITEM_PRIOR)
            counts[own["row_ids"]] += own["counts"]
            next_state["item_bias"] = np.log(counts / counts.sum()).astype(np.float32)
        return next_state

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Reject what no honest client can send in either phase; `at(state)` knows the phase."""
        (self.first if self._is_of_first(update) else self.then).check_update(update, item_count)

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
        return (self.first if self._is_of_first(update) else self.then).example_count(update)

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return those of the model whose update it is."""
        return (self.first if self._is_of_first(update) else self.then).claims(update)

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Cut as the model whose update it is."""
        return (self.first if self._is_of_first(update) else self.then).cut(update, cuts)

    def at(self, state: Arrays) -> Ials | GmfMlp | Turn | Ncf | SampledNcf:
        """Return the model whose phase it is."""
        if "rounds_left" not in state:
            return self.then
        return self.first if state["rounds_left"].any() else Turn(self.first, self.then, self.scale)

    def prefix(self, state: Arrays) -> str:
        """Return what the arrays of a fused update of this state's round begin with."""
        return FIRST if "rounds_left" in state and state["rounds_left"].any() else THEN

    def _is_of_first(self, update: Arrays) -> bool:
        """Tell by an array that every update of the first phase has, and none of the second."""
        return ("gram" if isinstance(self.first, Ials) else f"{GMF}item_factors") in update
