"""NCF's local step under the softmax by torch on one device, for a client whose machine has a GPU.

The same steps as in `common.models.ncf_users` and the same sums as in `Ncf`, forwards and backwards by hand, in float32
and in blocks of as many users as memory allows. What others recompute (scores, fusion, the server's step) never runs
here: its bytes are the processor's. Sums in another order end in other last bits, so a client's update agrees with that
of the processor within 1e-5 of its largest entry; but with an MLP branch those bits decide on which side of its edge a
ReLU is now and then, and move a user by more, as they do on the processor where users are grouped otherwise.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from common.data.user_items import UserItems
from common.models.model import Arrays, FloatArray
from common.models.ncf import Ncf
from common.models.ncf_network import TensorTower
from common.models.ncf_users import DAMPING, MOMENTUM, TOWER_DAMPING

FLOATS_TOGETHER = 1 << 27
"""In all intermediates of a block of users: 512 MB."""

Gradient = Callable[[Tensor, "Block"], Tensor]
"""The gradient of L, its penalty left out, at some users' vectors; both of shape (users, vector length)."""


@dataclass(frozen=True)
class Block:
    """A few users.

    Fields:
        rows: Of all users.
        counts: Interactions of each, float32, shape (users, 1).
        pairs: Each interaction's user, as a row of the block, and item.
    """

    rows: slice
    counts: Tensor
    pairs: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class DeviceNcf(Ncf):
    """`Ncf` whose local step runs on a device; nothing else does."""

    device: str = "cuda"
    """Torch's name of it."""

    @classmethod
    def of(cls, ncf: Ncf, device: str) -> "DeviceNcf":
        """Return the same model on a device."""
        return cls(**{entry.name: getattr(ncf, entry.name) for entry in fields(ncf)}, device=device)

    def fold_in(self, state: Arrays, histories: UserItems) -> FloatArray:
        """Fit users as `Ncf` does. Shape (users, vector length)."""
        vectors: FloatArray = _Step(self, state, histories).fitted().cpu().numpy()
        return vectors

    def local_step(self, state: Arrays, train: UserItems) -> tuple[Arrays, FloatArray]:
        """Fit the users, then sum the gradients of the shared part over them."""
        step = _Step(self, state, train)
        vectors = step.fitted()
        return self.means(train, *step.sums(vectors)), vectors.cpu().numpy()

    def update_of(self, state: Arrays, train: UserItems, user_vectors: FloatArray) -> Arrays:
        """Return the mean gradients of the shared part, per exposure and interaction."""
        step = _Step(self, state, train)
        return self.means(train, *step.sums(torch.tensor(user_vectors, device=self.device)))


class _Step:
    """One client's users and the shared part, on the device."""

    def __init__(self, model: DeviceNcf, state: Arrays, train: UserItems) -> None:
        self._model, self._train, self._device = model, train, model.device
        d = model.gmf_length
        self._factors = self._there(np.ascontiguousarray(state["item_factors"][:, :d]))  # (items, d)
        self._bias = self._there(state["item_bias"])
        widths = 2 * sum(model.tower_widths) if model.layout.vector_length else 0
        most = FLOATS_TOGETHER // max(1, train.item_count * (3 + widths))
        self._users_together = max(1, min(most, train.user_count))
        self._tower = None
        if model.layout.vector_length:
            self._tower = TensorTower(
                model.layout, state["network"], state["item_factors"][:, d:], self._users_together, model.device
            )

    def fitted(self) -> Tensor:
        """Return the users' vectors. Shape (users, vector length)."""
        scores, features = self._bias, self._factors
        if self._tower is not None:
            tower_scores, slopes = self._tower.at_zero()
            scores, features = scores + tower_scores, torch.cat((features, slopes), dim=1)
        background = torch.softmax(scores, dim=0)
        mean = background @ features
        covariance = (features * background[:, None]).T @ features - torch.outer(mean, mean)
        # d x d numbers, in double precision and by the same routine as on the processor
        spectrum, basis = np.linalg.eigh(covariance.cpu().numpy().astype(np.float64))
        system = (
            self._there(np.maximum(spectrum, 0.0).astype(np.float32)),
            self._there(basis.astype(np.float32)),
        )

        def on_the_line(vectors: Tensor, block: Block) -> Tensor:
            return self._residuals(vectors @ features.T + scores, block) @ features

        vectors = torch.zeros((self._train.user_count, features.shape[1]), device=self._device)
        line_steps, tower_steps = self._model.fitting_steps
        self._descend(vectors, on_the_line, DAMPING, line_steps, system)
        if self._tower is not None:
            self._descend(vectors, self._user_gradient, TOWER_DAMPING, tower_steps, system)
        return vectors

    def sums(self, vectors: Tensor) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the gradients of items' vectors, biases and network, summed over the users."""
        d = self._model.gmf_length
        factor_sums, bias_sums = torch.zeros_like(self._factors), torch.zeros_like(self._bias)
        for block in self._blocks():
            errors = self._residuals(self._scores(vectors[block.rows]), block)
            factor_sums += errors.T @ vectors[block.rows, :d]
            bias_sums += errors.sum(dim=0)
            if self._tower is not None:
                self._tower.add_gradient(errors)
        if self._tower is None:
            return factor_sums.cpu().numpy(), bias_sums.cpu().numpy(), np.zeros(0, dtype=np.float32)
        tower_sums, network_sum = self._tower.gradient()
        factor_sums = torch.cat((factor_sums, tower_sums), dim=1)
        return factor_sums.cpu().numpy(), bias_sums.cpu().numpy(), network_sum.cpu().numpy()

    def _descend(
        self, vectors: Tensor, gradient_of: Gradient, damping: float, steps: int, system: tuple[Tensor, Tensor]
    ) -> None:
        """Take steps from where the vectors are; they are written over. See `common.models.ncf_users.fit`."""
        spectrum, basis = system
        prior = self._model.display * len(self._bias)
        for block in self._blocks():
            penalty = self._model.user_regularisation * (block.counts + prior)
            inverse = 1 / (damping * block.counts * spectrum + penalty)
            current = vectors[block.rows]
            last = torch.zeros_like(current)
            for _ in range(steps):
                ahead = current + MOMENTUM * last
                gradient = gradient_of(ahead, block) + penalty * ahead
                following = ahead - ((gradient @ basis) * inverse) @ basis.T
                current, last = following, following - current
            vectors[block.rows] = current

    def _user_gradient(self, vectors: Tensor, block: Block) -> Tensor:
        residuals = self._residuals(self._scores(vectors), block)
        product = residuals @ self._factors
        if self._tower is None:
            return product
        return torch.cat((product, self._tower.user_gradient(residuals)), dim=1)

    def _scores(self, vectors: Tensor) -> Tensor:
        d = self._model.gmf_length
        scores = vectors[:, :d] @ self._factors.T + self._bias
        return scores if self._tower is None else scores + self._tower.scores(vectors[:, d:])

    @staticmethod
    def _residuals(scores: Tensor, block: Block) -> Tensor:
        errors = torch.softmax(scores, dim=1) * block.counts
        errors[block.pairs] -= 1  # no pair is there twice
        return errors

    def _blocks(self) -> Iterator[Block]:
        train = self._train
        for start in range(0, train.user_count, self._users_together):
            rows = slice(start, min(start + self._users_together, train.user_count))
            own = train.take(np.arange(rows.start, rows.stop))
            pairs = (self._there(own.users.astype(np.int64)), self._there(own.items.astype(np.int64)))
            yield Block(rows, self._there(own.counts.astype(np.float32)[:, None]), pairs)

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=self._device)
