"""Gradients of NCF under binary cross-entropy on given pairs: many clients in one flat pass, backwards by hand.

With a label y of 1 for an interaction and 0 for a drawn negative, and s_ui as in `common.models.ncf`,

    L = sum_(samples u,i,y) [ log(1 + exp(s_ui)) - y s_ui ],       dL / ds_ui = sigmoid(s_ui) - y

Each user belongs to a client, whose update counts with a weight and may be a mean. So a user's samples enter the sums
over users with a share, one for item rows and one for the network, which are averaged differently. This makes the
fused gradient of a cohort without any client's own, and with shares of one the gradient of a single client.

Nothing is as large as the samples: a chunk's intermediates stay in the cache. The first layer is taken apart as in
`common.models.ncf_network`, so that a sample costs one addition there instead of a product. Rows are touched only
where samples are: give a client's own rows, numbered anew (`touched_rows`), and no table is ever copied.
"""

import numpy as np
import torch
from torch import Tensor

from common.models.bce_samples import BceGradient, Samples
from common.models.model import FloatArray
from common.models.ncf_layout import TowerLayout

SAMPLES_TOGETHER = 8192
"""1024 take half as long again on MovieLens-1M."""


def bce_gradient(
    layout: TowerLayout,
    network: FloatArray,
    items: tuple[FloatArray, FloatArray],
    user_vectors: FloatArray,
    samples: Samples,
    shares: tuple[FloatArray, FloatArray],
) -> BceGradient:
    """Differentiate L at one point.

    Args:
        layout: Of the network; `vector_length` 0 leaves the MLP branch out.
        network: Shape (network size,).
        items: Vectors, GMF columns before MLP columns, shape (items, vector length), and biases, shape (items,).
        user_vectors: In the same columns. Shape (users, vector length).
        samples: What is summed over.
        shares: Of each user in item rows, and in the network. Two of shape (users,).
    """
    torch.set_num_threads(1)  # one thread gives the same bytes each time, and shares a machine with other clients
    d = items[0].shape[1] - layout.vector_length
    users, factors = (torch.tensor(vectors[:, :d]) for vectors in (user_vectors, items[0]))
    bias = torch.tensor(items[1])
    item_shares, network_shares = (torch.tensor(share) for share in shares)
    tower = None
    if layout.vector_length:
        tower = _Tower(layout, network, items[0][:, d:], user_vectors[:, d:], item_shares, network_shares)
    user_sums, factor_sums, bias_sums = torch.zeros_like(users), torch.zeros_like(factors), torch.zeros_like(bias)
    flat = [torch.from_numpy(array) for array in samples]
    for start in range(0, len(samples.users), SAMPLES_TOGETHER):
        its_users, its_items, labels = (array[start : start + SAMPLES_TOGETHER] for array in flat)
        p, q = users.index_select(0, its_users), factors.index_select(0, its_items)
        scores = torch.einsum("sf,sf->s", p, q).add_(bias.index_select(0, its_items))
        if tower is not None:
            scores += tower.scores(its_users, its_items)
        errors = scores.sigmoid_().sub_(labels)
        weighted = errors * item_shares.index_select(0, its_users)
        user_sums.index_add_(0, its_users, q.mul_(errors[:, None]))
        factor_sums.index_add_(0, its_items, p.mul_(weighted[:, None]))
        bias_sums.index_add_(0, its_items, weighted)
        if tower is not None:
            tower.add_gradient(its_users, its_items, errors)
    if tower is None:
        return BceGradient(user_sums.numpy(), factor_sums.numpy(), bias_sums.numpy(), np.zeros(0, dtype=np.float32))
    tower_users, tower_items, network_sum = tower.gradient()
    return BceGradient(
        np.concatenate((user_sums.numpy(), tower_users), axis=1),
        np.concatenate((factor_sums.numpy(), tower_items), axis=1),
        bias_sums.numpy(),
        network_sum,
    )


class _Tower:
    """The MLP branch on samples. `scores` comes first; `add_gradient` is for the same samples."""

    def __init__(
        self,
        layout: TowerLayout,
        network: FloatArray,
        item_vectors: FloatArray,
        user_vectors: FloatArray,
        item_shares: Tensor,
        network_shares: Tensor,
    ) -> None:
        layers, output = layout.split(network)
        self._weights = [torch.tensor(weights) for weights, _ in layers]
        self._biases = [torch.tensor(biases) for _, biases in layers]
        self._output = torch.tensor(output)
        self._users, self._items = torch.tensor(user_vectors), torch.tensor(item_vectors)
        self._user_weights, self._item_weights = self._weights[0].chunk(2, dim=1)
        self._user_inputs = self._users @ self._user_weights.T
        self._item_inputs = torch.addmm(self._biases[0], self._items, self._item_weights.T)
        self._item_shares, self._network_shares = item_shares, network_shares
        self._user_sums, self._item_sums = torch.zeros_like(self._user_inputs), torch.zeros_like(self._item_inputs)
        self._item_sums_for_network = torch.zeros_like(self._item_inputs)
        self._weight_sums = [torch.zeros_like(weights) for weights in self._weights]
        self._bias_sums = [torch.zeros_like(biases) for biases in self._biases]
        self._output_sum = torch.zeros_like(self._output)
        self._activations: list[Tensor] = []

    def scores(self, users: Tensor, items: Tensor) -> Tensor:
        inputs = self._user_inputs.index_select(0, users).add_(self._item_inputs.index_select(0, items))
        self._activations = [inputs.relu_()]
        for weights, biases in zip(self._weights[1:], self._biases[1:], strict=True):
            self._activations.append(torch.addmm(biases, self._activations[-1], weights.T).relu_())
        return self._activations[-1] @ self._output

    def add_gradient(self, users: Tensor, items: Tensor, errors: Tensor) -> None:
        shares = self._network_shares.index_select(0, users)
        self._output_sum += (errors * shares) @ self._activations[-1]
        slopes = torch.outer(errors, self._output)
        for level in range(len(self._weights) - 1, 0, -1):
            slopes.masked_fill_(self._activations[level] == 0, 0.0)
            shared = slopes * shares[:, None]
            self._weight_sums[level] += shared.T @ self._activations[level - 1]
            self._bias_sums[level] += shared.sum(dim=0)
            slopes = slopes @ self._weights[level]
        slopes.masked_fill_(self._activations[0] == 0, 0.0)
        self._user_sums.index_add_(0, users, slopes)
        self._item_sums.index_add_(0, items, slopes * self._item_shares.index_select(0, users)[:, None])
        self._item_sums_for_network.index_add_(0, items, slopes.mul_(shares[:, None]))

    def gradient(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the gradients of the users' vectors, the items' and the network."""
        by_user = self._user_sums * self._network_shares[:, None]
        self._weight_sums[0] += torch.cat((by_user.T @ self._users, self._item_sums_for_network.T @ self._items), dim=1)
        self._bias_sums[0] += by_user.sum(dim=0)
        parts = [part.ravel() for pair in zip(self._weight_sums, self._bias_sums, strict=True) for part in pair]
        return (
            (self._user_sums @ self._user_weights).numpy(),
            (self._item_sums @ self._item_weights).numpy(),
            torch.cat((*parts, self._output_sum)).numpy(),
        )
