"""One local step of NCF under binary cross-entropy with drawn negatives: in plain PyTorch, and by our kernel.

All three do the same work: one pass over a client's samples, one step, the same gradient. Only its organisation
differs. Negatives are drawn from the whole catalogue; who measures accuracy must look closer at them, time does not.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from common.data.user_items import UserItems
from common.models.bce_gradient import bce_gradient
from common.models.bce_one_user import one_user_gradient, touched_by
from common.models.bce_samples import BceGradient, Samples
from common.models.model import FloatArray
from common.models.ncf_layout import TowerLayout

NEGATIVES = 4
LEARNING_RATE = 1.0  # so that what a client sends is the gradient


class Problem:
    """A global model, and all users' vectors and samples.

    Attributes:
        layout, network, factors, bias: The shared part.
        vectors: Of the users. float32, shape (users, vector length).
        samples: Of all users, ascending.
        starts: Where each user's samples begin, and after the last where they end. int64, shape (users + 1,).
    """

    def __init__(self, train: UserItems, factors: int, layout: TowerLayout, rng: np.random.Generator) -> None:
        length = factors + layout.vector_length
        self.layout, self.network = layout, layout.initial(0.1, rng)
        self.factors = rng.normal(0.0, 0.1, (train.item_count, length)).astype(np.float32)
        self.bias = np.zeros(train.item_count, dtype=np.float32)
        self.vectors = rng.normal(0.0, 0.1, (train.user_count, length)).astype(np.float32)
        self.samples = samples_of(train, rng)
        self.starts = train.indptr * (1 + NEGATIVES)

    def own_samples(self, user: int) -> Samples:
        """Return one user's samples, as those of user 0."""
        own = slice(self.starts[user], self.starts[user + 1])
        users, items, labels = self.samples
        return Samples(np.zeros_like(users[own]), items[own], labels[own])


def samples_of(train: UserItems, rng: np.random.Generator) -> Samples:
    """Return every interaction and `NEGATIVES` items for each, drawn with replacement."""
    drawn = rng.integers(0, train.item_count, NEGATIVES * len(train.items))
    users = np.concatenate((train.users, np.repeat(train.users, NEGATIVES))).astype(np.int64)
    items = np.concatenate((train.items.astype(np.int64), drawn))
    labels = np.repeat(np.array([1, 0], dtype=np.float32), (len(train.items), len(drawn)))
    order = np.argsort(users, kind="stable")
    return Samples(users[order], items[order], labels[order])


def one_by_one(problem: Problem, clients: Sequence[int]) -> list[tuple[NDArray[np.intp], BceGradient]]:
    """Return each client's touched rows and gradients."""
    updates = []
    for client in clients:
        own = problem.own_samples(client)
        positive = own.labels > 0
        touched = touched_by(own.items[positive], own.items[~positive], len(problem.bias))
        items = (problem.factors, problem.bias)
        gradient = one_user_gradient(problem.layout, problem.network, items, problem.vectors[client], touched)
        updates.append((touched.rows, gradient))
    return updates


def as_a_cohort(problem: Problem) -> BceGradient:
    """Return the fused gradient of all users, each a client of weight 1 whose network gradient is a mean."""
    sizes = np.maximum(np.diff(problem.starts), 1)
    shares = (np.ones(len(sizes), dtype=np.float32), (1 / sizes).astype(np.float32))
    items = (problem.factors, problem.bias)
    return bce_gradient(problem.layout, problem.network, items, problem.vectors, problem.samples, shares)


class PlainNcf(nn.Module):
    """What one would write first."""

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self._d = problem.factors.shape[1] - problem.layout.vector_length
        self.user = nn.Embedding(1, problem.factors.shape[1])
        self.item = nn.Embedding(len(problem.factors), problem.factors.shape[1], _weight=torch.tensor(problem.factors))
        self.bias = nn.Embedding(len(problem.bias), 1, _weight=torch.tensor(problem.bias[:, None]))
        self.tower = nn.Sequential()
        self.output: nn.Module = nn.Identity()
        if problem.layout.vector_length:
            layers, output = problem.layout.split(problem.network)
            for weights, biases in layers:
                linear = nn.Linear(weights.shape[1], weights.shape[0])
                linear.weight.data, linear.bias.data = torch.tensor(weights), torch.tensor(biases)
                self.tower.extend((linear, nn.ReLU()))
            last = nn.Linear(len(output), 1, bias=False)
            last.weight.data = torch.tensor(output[None, :])
            self.output = last

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Score items for the one user."""
        p, q, d = self.user.weight.expand(len(items), -1), self.item(items), self._d
        scores: torch.Tensor = (p[:, :d] * q[:, :d]).sum(dim=1) + self.bias(items)[:, 0]
        if len(self.tower):
            scores = scores + self.output(self.tower(torch.cat((p[:, d:], q[:, d:]), dim=1)))[:, 0]
        return scores


def plain(problem: Problem, clients: Sequence[int]) -> list[dict[str, FloatArray]]:
    """Return what each client's parameters moved by: a deep copy, a DataLoader, an optimiser, a difference."""
    shared = PlainNcf(problem)
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    updates = []
    for client in clients:
        own = problem.own_samples(client)
        shared.user.weight.data = torch.tensor(problem.vectors[client : client + 1])
        local = copy.deepcopy(shared)
        optimiser = torch.optim.SGD(local.parameters(), lr=LEARNING_RATE)
        pairs = torch.utils.data.TensorDataset(torch.tensor(own.items), torch.tensor(own.labels))
        for items, labels in torch.utils.data.DataLoader(pairs, batch_size=len(own.items), shuffle=True):
            optimiser.zero_grad()
            loss(local(items), labels).backward()
            optimiser.step()
        before = shared.state_dict()
        updates.append({name: (after - before[name]).numpy() for name, after in local.state_dict().items()})
    return updates
