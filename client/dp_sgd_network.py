"""NCF as a torch module, and the noisy step on it, by Opacus's ghost clipping.

Opacus's plain per-example gradients would take (examples, items, vector length) numbers for an embedding. Ghost
clipping finds each example's norm without its gradient [Li et al. (2022), "Large language models can be strong
differentially private learners", section 4], then goes back a second time through the sum of losses, each weighted by
min(1, C / norm). Norms are those of float32 sums.
"""

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModuleFastGradientClipping, register_norm_sampler
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from torch import Tensor, nn

from client.dp_sgd import DpSgdPlan
from common.models.model import Arrays, FloatArray
from common.models.ncf import Ncf

EXAMPLES_TOGETHER = 4096
"""Examples whose activations are in memory at once: 4 MB a layer for 16 negatives and layers of 16 numbers."""


class Rows(nn.Embedding):
    """An embedding whose norms are found in a tenth of the time that Opacus takes for those of `nn.Embedding`."""


@register_norm_sampler(Rows)  # type: ignore[untyped-decorator]  # Opacus has no types
def norms(layer: Rows, activations: list[Tensor], backprops: Tensor) -> dict[Tensor, Tensor]:
    """Return the norm of each example's gradient, shape (examples,).

    The gradient of row r is sum_(j: id_j = r) g_j, so the squared norm over all rows is that of a sum over pairs,
    sum_(jk: id_j = id_k) g_j . g_k: an item that occurs twice in an example counts as the sum of its two gradients.

    Args:
        layer: Whose rows were looked up.
        activations: The ids alone, shape (examples, candidates) or (examples,).
        backprops: g, shape (*ids, row length).
    """
    ids = activations[0].reshape(len(backprops), -1)
    gradients = backprops.reshape(*ids.shape, -1)
    same = ids[:, :, None] == ids[:, None, :]
    products = torch.bmm(gradients, gradients.transpose(1, 2))  # (examples, candidates, candidates)
    return {layer.weight: (products * same).sum(dim=(1, 2)).clamp(min=0).sqrt()}


class Scores(nn.Module):
    """The score of `Ncf`, s_ui = p_u . q_i + h . tower(m_u, z_i) + b_i, for a few candidates of each example."""

    def __init__(self, ncf: Ncf, state: Arrays, user_count: int) -> None:
        super().__init__()
        self.gmf_length = ncf.gmf_length
        self.users = _rows(np.zeros((user_count, state["item_factors"].shape[1]), dtype=np.float32))
        self.items = _rows(state["item_factors"])
        self.biases = _rows(state["item_bias"][:, None])
        self.tower = nn.ModuleList()
        if ncf.layout.size:
            layers, output = ncf.layout.split(state["network"])
            self.tower.extend(_linear(weights, biases) for weights, biases in layers)
            self.tower.append(_linear(output[None, :], None))

    def forward(self, users: Tensor, candidates: Tensor) -> Tensor:
        """Return scores of shape (examples, candidates). Users: (examples,), candidates: (examples, candidates)."""
        d = self.gmf_length
        user_vectors, item_vectors = self.users(users)[:, None, :], self.items(candidates)
        scores: Tensor = self.biases(candidates)[:, :, 0]
        scores = scores + (user_vectors[:, :, :d] * item_vectors[:, :, :d]).sum(dim=2)
        if self.tower:
            both = (user_vectors[:, :, d:].expand(-1, candidates.shape[1], -1), item_vectors[:, :, d:])
            last = torch.cat(both, dim=2)  # (examples, candidates, twice the vector length)
            for layer in self.tower[:-1]:
                last = torch.relu(layer(last))
            scores = scores + self.tower[-1](last)[:, :, 0]
        return scores


class EntropyOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]  # Opacus has no types
    """Opacus's optimizer, with noise from the generator that it is given.

    torch's own is a Mersenne Twister, of which 624 outputs tell all others: no source of secrets.
    """

    entropy: np.random.Generator

    def add_noise(self) -> None:
        """Put the sum of clipped gradients plus N(0, (noise_multiplier C)^2) on every coordinate into `grad`."""
        stddev = self.noise_multiplier * self.max_grad_norm
        for parameter in self.params:
            noisy = self.entropy.normal(0.0, stddev, tuple(parameter.shape))
            noisy += parameter.summed_grad.numpy()
            parameter.grad = torch.from_numpy(noisy.astype(np.float32))


class NoisyTraining:
    """A client's copy of the model during one round. Users' vectors start from zero and end with this object."""

    def __init__(self, ncf: Ncf, state: Arrays, user_count: int, plan: DpSgdPlan, entropy: np.random.Generator) -> None:
        torch.set_num_threads(1)  # one thread gives the same bytes each time, and shares a machine with other clients
        self._scores = Scores(ncf, state, user_count)
        self._longest_user_vector = plan.longest_user_vector
        self._module = GradSampleModuleFastGradientClipping(self._scores, max_grad_norm=plan.clipping_norm)
        user_rate = plan.user_learning_rate * plan.batch_size / plan.sample_rate
        groups = [
            _group(self._scores.users, first=user_rate, later=user_rate),
            _group(self._scores.items, first=0.0, later=plan.item_learning_rate),
            _group(self._scores.biases, first=plan.bias_learning_rate, later=plan.bias_learning_rate),
            _group(self._scores.tower, first=0.0, later=plan.network_learning_rate),
        ]
        self._optimizer = EntropyOptimizer(
            torch.optim.SGD(groups),
            noise_multiplier=plan.noise_multiplier,
            max_grad_norm=plan.clipping_norm,
            expected_batch_size=plan.batch_size,
        )
        self._optimizer.entropy = entropy
        self._loss = DPLossFastGradientClipping(self._module, self._optimizer, nn.CrossEntropyLoss())

    def step(self, users: NDArray[np.int64], candidates: NDArray[np.int64]) -> None:
        """Take one noisy step; without any example, one of noise alone.

        The first step leaves items' vectors and network alone: while users are at zero, almost nothing but noise would
        move them. What is not used of a noisy sum costs no privacy.

        Args:
            users: Whose interaction each example is. Shape (examples,).
            candidates: The item taken, then its negatives. Shape (examples, candidates).
        """
        self._optimizer.zero_grad()
        for start in range(0, len(users), EXAMPLES_TOGETHER):
            own = slice(start, start + EXAMPLES_TOGETHER)
            self._add(torch.from_numpy(users[own]), torch.from_numpy(candidates[own]))
        for parameter in self._module.parameters():
            parameter.grad = torch.zeros_like(parameter)  # everything is in the sums already, where there is anything
        self._optimizer.step()
        for group in self._optimizer.param_groups:
            group["lr"] = group["later_lr"]
        with torch.no_grad():
            vectors = self._scores.users.weight
            lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
            vectors *= (self._longest_user_vector / lengths).clamp(max=1.0)

    def shared(self) -> Arrays:
        """Return the shared part as it is now, in the order of numbers that the state has."""
        tower = [parameter.detach().numpy().ravel() for parameter in self._scores.tower.parameters()]
        return {
            "item_factors": self._scores.items.weight.detach().numpy().copy(),
            "item_bias": self._scores.biases.weight.detach().numpy()[:, 0].copy(),
            "network": np.concatenate((np.zeros(0, dtype=np.float32), *tower)),
        }

    def _add(self, users: Tensor, candidates: Tensor) -> None:
        """Add these examples' clipped gradients to the sums, without a step yet."""
        loss = self._loss(self._module(users, candidates), torch.zeros_like(users))
        with warnings.catch_warnings():
            # Inputs are ids, which have no gradients; Opacus needs those with respect to the outputs only.
            warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
            loss.backward()
        self._optimizer.signal_skip_step(do_skip=True)
        self._optimizer.step()


def _group(layer: nn.Module, first: float, later: float) -> dict[str, Any]:
    """Return parameters with a learning rate for the first step and one for those that follow."""
    return {"params": list(layer.parameters()), "lr": first, "later_lr": later}


def _rows(rows: FloatArray) -> Rows:
    count, length = rows.shape
    layer = Rows(count, length, device="meta")  # draws no first weights from torch's generator
    layer.weight = nn.Parameter(torch.tensor(rows))
    return layer


def _linear(weights: FloatArray, biases: FloatArray | None) -> nn.Linear:
    units, inputs = weights.shape
    layer = nn.Linear(inputs, units, bias=biases is not None, device="meta")
    layer.weight = nn.Parameter(torch.tensor(weights))
    if biases is not None:
        layer.bias = nn.Parameter(torch.tensor(biases))
    return layer
