"""The MLP branch of NCF on the whole catalogue, forwards and backwards, by hand: autograd keeps every intermediate.

Arrays are laid out (users, units, items), so that the long axis is the contiguous one. The first layer is taken apart,
W_1 (m_u, z_i) = W_1u m_u + W_1i z_i, so that it costs one addition for a pair instead of a product.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from common.models.model import FloatArray
from common.models.ncf_layout import TowerLayout


class TowerGradient(NamedTuple):
    """Sums over the pairs that a tower has seen. Shapes (items, vector length) and (network size,)."""

    item_vectors: FloatArray
    network: FloatArray


class TensorTower:
    """One network and the MLP vectors of one catalogue, on one device; users come a few at a time.

    The order is `scores`, then one of the two gradients for the same users, whose activations are kept in between.
    """

    def __init__(
        self,
        layout: TowerLayout,
        network: FloatArray,
        item_vectors: FloatArray,
        users_together: int,
        device: str = "cpu",
    ) -> None:
        """Lay everything out.

        Args:
            layout: Of the network.
            network: Shape (network size,).
            item_vectors: Shape (items, vector length).
            users_together: How many users come at once at most; memory is taken for these.
            device: Torch's name of where to compute; all tensors given and returned are there.
        """

        def there(array: FloatArray) -> Tensor:
            return torch.tensor(array, device=device)

        layers, output = layout.split(network)
        self._layout = layout
        self._item_vectors = there(item_vectors)
        self._weights = [there(weights) for weights, _ in layers]
        self._biases = [there(biases)[:, None] for _, biases in layers]
        self._output = there(output)
        self._user_weights, self._item_weights = self._weights[0].chunk(2, dim=1)
        self._item_inputs = torch.addmm(self._biases[0], self._item_weights, self._item_vectors.T)  # (units, items)
        shapes = [(users_together, width, len(item_vectors)) for width in layout.widths]
        self._activations = [torch.empty(shape, device=device) for shape in shapes]
        self._slopes = [torch.empty(shape, device=device) for shape in shapes]
        self._sums = [torch.zeros_like(tensor) for tensor in (*self._weights, *self._biases, self._output)]
        self._item_input_sum = torch.zeros_like(self._item_inputs)
        self._user_vectors = torch.empty((0, layout.vector_length), device=device)

    def scores(self, user_vectors: Tensor) -> Tensor:
        """Return h . tower(m_u, z_i) for every item. Shape (users, items)."""
        self._user_vectors = user_vectors
        users = len(user_vectors)
        inputs = (self._user_vectors @ self._user_weights.T)[:, :, None]  # (users, units, 1)
        last = torch.add(inputs, self._item_inputs, out=self._activations[0][:users]).relu_()
        for weights, biases, activations in zip(
            self._weights[1:], self._biases[1:], self._activations[1:], strict=True
        ):
            last = torch.matmul(weights, last, out=activations[:users]).add_(biases).relu_()
        return torch.matmul(self._output, last)

    def user_gradient(self, residuals: Tensor) -> Tensor:
        """Return sum_i residual_ui d score_ui / d m_u. Residuals: (users, items). Shape (users, vector length)."""
        return self._backwards(residuals, summed=False).sum(dim=2) @ self._user_weights

    def add_gradient(self, residuals: Tensor, shares: Tensor | None = None) -> None:
        """Add sum_ui residual_ui d score_ui / d (z, network) to what `gradient` will return.

        Args:
            residuals: Shape (users, items).
            shares: Factors on the users in the network's sum; 1 where there are none. Shape (users,).
        """
        slopes = self._backwards(residuals, summed=True, shares=shares)
        item_inputs = slopes.sum(dim=0)
        self._item_input_sum += item_inputs
        by_user = slopes.sum(dim=2)  # (users, units)
        if shares is not None:
            by_user *= shares[:, None]
            item_inputs = torch.tensordot(shares, slopes, 1)
        self._sums[0] += torch.cat((by_user.T @ self._user_vectors, item_inputs @ self._item_vectors), dim=1)
        self._sums[len(self._weights)] += item_inputs.sum(dim=1, keepdim=True)

    def gradient(self) -> tuple[Tensor, Tensor]:
        """Return the sums of everything that `add_gradient` was given, as in `TowerGradient`."""
        depth = len(self._weights)
        parts = [part.ravel() for pair in zip(self._sums[:depth], self._sums[depth:-1], strict=True) for part in pair]
        return self._item_input_sum.T @ self._item_weights, torch.cat((*parts, self._sums[-1]))

    def at_zero(self) -> tuple[Tensor, Tensor]:
        """Return every item's score for m = 0, shape (items,), and its slope in m there, (items, vector length)."""
        scores = self.scores(self._user_vectors.new_zeros((1, self._layout.vector_length)))
        slopes = self._backwards(self._item_inputs.new_ones((1, self._item_inputs.shape[1])), summed=False)
        return scores[0], slopes[0].T @ self._user_weights

    def _backwards(self, residuals: Tensor, summed: bool, shares: Tensor | None = None) -> Tensor:
        """Return d loss / d (input of the first ReLU), (users, units, items); add up the later layers if asked to.

        Each user's part of what is added up is multiplied by its share, where there are shares.
        """
        users, depth = len(residuals), len(self._weights)
        slopes = torch.mul(self._output[:, None], residuals[:, None, :], out=self._slopes[-1][:users])
        if summed:
            counted = residuals if shares is None else residuals * shares[:, None]
            self._sums[-1] += torch.einsum("chi,ci->h", self._activations[-1][:users], counted)
        for level in range(depth - 1, -1, -1):
            torch.ops.aten.threshold_backward.grad_input(
                slopes, self._activations[level][:users], 0, grad_input=slopes
            )  # zero where the ReLU is off
            if level == 0:
                break
            below = self._activations[level - 1][:users]
            if summed:
                counted = slopes if shares is None else slopes * shares[:, None, None]
                self._sums[level] += torch.matmul(counted, below.transpose(1, 2)).sum(dim=0)
                self._sums[depth + level] += counted.sum(dim=(0, 2))[:, None]
            slopes = torch.matmul(self._weights[level].T, slopes, out=self._slopes[level - 1][:users])
        return slopes


class Tower:
    """The same on the processor, for whoever has arrays."""

    def __init__(self, layout: TowerLayout, network: FloatArray, item_vectors: FloatArray, users_together: int) -> None:
        """See `TensorTower`."""
        torch.set_num_threads(1)  # one thread gives the same bytes each time, and shares a machine with other clients
        self._tower = TensorTower(layout, network, item_vectors, users_together)

    def scores(self, user_vectors: FloatArray) -> FloatArray:
        """Return h . tower(m_u, z_i) for every item. Shape (users, items)."""
        scores: FloatArray = self._tower.scores(torch.tensor(user_vectors)).numpy()
        return scores

    def user_gradient(self, residuals: FloatArray) -> FloatArray:
        """Return sum_i residual_ui d score_ui / d m_u. Residuals: (users, items). Shape (users, vector length)."""
        gradient: FloatArray = self._tower.user_gradient(torch.from_numpy(residuals)).numpy()
        return gradient

    def add_gradient(self, residuals: FloatArray, network_shares: FloatArray | None = None) -> None:
        """Add to what `gradient` will return; shares are factors on the users in the network's sum."""
        shares = None if network_shares is None else torch.from_numpy(network_shares)
        self._tower.add_gradient(torch.from_numpy(residuals), shares)

    def gradient(self) -> TowerGradient:
        """Return the sum of everything that `add_gradient` was given."""
        item_vectors, network = self._tower.gradient()
        return TowerGradient(item_vectors.numpy(), network.numpy())

    def at_zero(self) -> tuple[FloatArray, FloatArray]:
        """Return every item's score for m = 0, shape (items,), and its slope in m there, (items, vector length)."""
        scores, slopes = self._tower.at_zero()
        return scores.numpy(), slopes.numpy()
