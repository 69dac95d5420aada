import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models import bce_gradient as kernel
from common.models.bce_gradient import bce_gradient
from common.models.bce_one_user import one_user_gradient, touched_by
from common.models.bce_samples import Samples, touched_rows
from common.models.ncf_layout import TowerLayout

TOWERS = {"gmf": TowerLayout(0, (6, 4)), "one layer": TowerLayout(3, (5,)), "three layers": TowerLayout(3, (6, 4, 3))}


def problem(layout, seed, users=7, items=9, d=4, count=60):
    rng = np.random.default_rng(seed)
    length = d + layout.vector_length
    draw = lambda *shape: rng.normal(0.0, 1.0, shape).astype(np.float32)  # noqa: E731
    samples = Samples(
        np.sort(rng.integers(0, users, count)),
        rng.integers(0, items, count),
        rng.integers(0, 2, count).astype(np.float32),
    )
    shares = (rng.uniform(0, 3, users).astype(np.float32), rng.uniform(0, 3, users).astype(np.float32))
    return draw(layout.size), (draw(items, length), draw(items)), draw(users, length), samples, shares


def by_autograd(layout, network, items, user_vectors, samples, shares):
    """The same in float64, one autograd pass for each way of sharing."""
    d = items[0].shape[1] - layout.vector_length
    leaves = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (user_vectors, *items, network)]
    users, factors, bias, flat = leaves
    p, q = users[torch.tensor(samples.users)], factors[torch.tensor(samples.items)]
    scores = (p[:, :d] * q[:, :d]).sum(1) + bias[torch.tensor(samples.items)]
    if layout.vector_length:
        x, start = torch.cat((p[:, d:], q[:, d:]), 1), 0
        for width in layout.widths:
            size = width * x.shape[1]
            weights, biases = flat[start : start + size].reshape(width, -1), flat[start + size : start + size + width]
            x, start = torch.relu(x @ weights.T + biases), start + size + width
        scores = scores + x @ flat[start:]
    labels = torch.tensor(samples.labels, dtype=torch.float64)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(scores, labels, reduction="none")
    gradients = []
    for share in (np.ones(len(user_vectors)), *shares):
        total = (losses * torch.tensor(share[samples.users], dtype=torch.float64)).sum()
        gradients.append(torch.autograd.grad(total, leaves, retain_graph=True, materialize_grads=True))
    return gradients[0][0], gradients[1][1], gradients[1][2], gradients[2][3]


@pytest.mark.parametrize("layout", TOWERS.values(), ids=TOWERS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), together=st.integers(1, 80))
def test_the_gradient_is_that_of_autograd_however_samples_are_cut_into_chunks(layout, seed, together):
    given_problem = problem(layout, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "SAMPLES_TOGETHER", together)
        found = bce_gradient(layout, *given_problem)
    for mine, wanted in zip(found, by_autograd(layout, *given_problem), strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, wanted.numpy(), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("layout", TOWERS.values(), ids=TOWERS)
def test_a_cohort_in_one_pass_is_its_clients_one_by_one(layout):
    """Rows weighted by w_k, the network by w_k / n_k, as `fuse` averages them; each client on its touched rows only."""
    network, (factors, bias), vectors, samples, _ = problem(layout, seed=1)
    client_of, weights = np.array([0, 0, 1, 2, 2, 2, 3]), np.array([1.0, 0.5, 2.0, 0.25], np.float32)
    sizes = np.maximum(np.bincount(client_of[samples.users], minlength=4), 1)
    shares = (weights[client_of], (weights / sizes)[client_of].astype(np.float32))
    together = bce_gradient(layout, network, (factors, bias), vectors, samples, shares)
    rows, biases, networks = np.zeros_like(factors), np.zeros_like(bias), np.zeros_like(network)
    for client, weight in enumerate(weights):
        users = np.flatnonzero(client_of == client)
        own = np.isin(samples.users, users)
        cut = Samples(samples.users[own] - users[0], samples.items[own], samples.labels[own])
        touched, cut = touched_rows(cut)
        ones = np.ones(len(users), np.float32)
        alone = bce_gradient(layout, network, (factors[touched], bias[touched]), vectors[users], cut, (ones, ones))
        np.testing.assert_allclose(alone.users, together.users[users], atol=1e-6, rtol=1e-5)
        rows[touched] += weight * alone.item_factors
        biases[touched] += weight * alone.item_bias
        networks += weight / sizes[client] * alone.network
    np.testing.assert_allclose(together.item_factors, rows, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(together.item_bias, biases, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(together.network, networks, atol=1e-6, rtol=1e-5)


def test_touched_rows_are_the_items_of_the_samples():
    samples = Samples(np.array([0, 0, 1]), np.array([7, 2, 7]), np.ones(3, np.float32))
    rows, cut = touched_rows(samples)
    assert rows.tolist() == [2, 7]
    assert rows[cut.items].tolist() == samples.items.tolist()


def test_no_samples_give_no_gradient():
    layout = TOWERS["three layers"]
    network, items, vectors, samples, shares = problem(layout, seed=1)
    empty = Samples(*(array[:0] for array in samples))
    assert not any(part.any() for part in bce_gradient(layout, network, items, vectors, empty, shares))


@pytest.mark.parametrize("layout", TOWERS.values(), ids=TOWERS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 60))
def test_one_user_alone_has_the_gradient_of_the_flat_pass(layout, seed, count):
    network, items, vectors, samples, _ = problem(layout, seed, users=1, count=count)
    one = np.ones(1, np.float32)
    wanted = bce_gradient(layout, network, items, vectors, samples, (one, one))
    chosen = samples.labels == 1
    touched = touched_by(samples.items[chosen], samples.items[~chosen], len(items[0]))
    found = one_user_gradient(layout, network, items, vectors[0], touched)
    assert touched.rows.tolist() == sorted(set(samples.items.tolist()))
    assert touched.counts.sum() == count
    for name in ("users", "network"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-5, rtol=1e-5)
    for name in ("item_factors", "item_bias"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name)[touched.rows], atol=1e-5, rtol=1e-5)
        assert getattr(found, name).dtype == np.float32
