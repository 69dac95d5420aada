"""What every recommender must offer to be trained by a federation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.row_claims import RowClaims, RowCut

Arrays = dict[str, NDArray[Any]]
"""Named arrays: the public state of a model, one client's update, or a fused update."""

FloatArray = NDArray[np.float32]

Layout = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type (such as "<f4") and shape of every array that belongs to an update."""


@dataclass(frozen=True)
class NoisyForm:
    """The form in which an update leaves its client when noise is added: nothing in it but noise and public values.

    Fields:
        noisy: The arrays that are clipped as one vector and get noise. Dense: an array whose rows belong to items has
            a row for every item of the catalogue, because which rows a client touched tells what its users like.
        row_arrays: The arrays that follow "row_ids" in an update without noise, and must be spread over the catalogue.
        semidefinite: Those of `noisy` that are symmetric positive semidefinite matrices, and stay so.
        public: What every client sends in place of its own row ids, counts and so on; the same whatever its data.
    """

    noisy: Layout
    row_arrays: tuple[str, ...]
    semidefinite: tuple[str, ...]
    public: Arrays


class Model(Protocol):
    """One recommender: pure functions on arrays, with the hyper-parameters as its only fields.

    A round is `local_step` at every client, `check_update` and `fuse` at the server, then `apply`. The state is
    public and the same everywhere; user vectors follow from it and a user's own items, and never leave a client.

    Guarantees:
        No method changes its arguments.
        The same input gives the same bytes on one machine with one BLAS thread.
        `fold_in(state, train)` is the second value of `local_step(state, train)`, byte for byte.
    """

    @property
    def name(self) -> str:
        """The name that the header of an update carries."""

    @property
    def sends_sums(self) -> bool:
        """Whether updates are sums over a client's interactions; otherwise they are means."""

    @property
    def rating_range(self) -> tuple[float, float] | None:
        """The least and the greatest rating where scores are predicted ratings; None where they only rank."""

    def at(self, state: Arrays) -> "Model":
        """Return the model that this state is one of: itself, unless a run changes its model on the way."""

    def initial_state(self, item_count: int, rng: np.random.Generator) -> Arrays:
        """Draw W_0 for a catalogue of `item_count` items."""

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Train on one client's users. Returns its update and its user vectors, shape (users, factors)."""

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the update of a client whose users were fitted, by `fold_in` on the same state.

        Vectors that were fitted among those of other clients differ in their last bits, and the update within 1e-6.
        """

    def fuse(self, updates: Sequence[Arrays], shares: Sequence[float]) -> Arrays:
        """Return sum_k(share_k * update_k), added in the order given. Shares are not normalised."""

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        """Take the server's step: the next state from the current one and a fused update."""

    def check_update(self, update: Arrays, item_count: int) -> None:
        """Return if an honest client could have sent this, whatever it is.

        Raises:
            Rejected: names, types, shapes, row ids or values break a rule. Nothing else is ever raised.
        """

    def noisy_form(self, item_count: int, clipping_norm: float) -> NoisyForm:
        """Return the form of an update that leaves with noise, for this catalogue and clipping norm."""

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Compute user vectors from histories, the state held fixed. Shape (users, factors)."""

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Score the whole catalogue, higher is better. Shape (users, items)."""

    def example_count(self, update: Arrays) -> int:
        """Return how many interactions the client says it trained on."""

    def claims(self, update: Arrays) -> tuple[RowClaims, ...]:
        """Return what a checked update says of single items, for each branch; nothing where it says nothing of them."""

    def cut(self, update: Arrays, cuts: Sequence[RowCut]) -> Arrays:
        """Return what is left of an update, one cut for each of its `claims`. Counts may then be fractions."""
