import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.ncf_layout import TowerLayout
from common.models.ncf_network import Tower

ITEMS = 11


def tower_scores(layout, network, item_vectors, user_vectors):
    """The slow obvious oracle: every pair's vectors side by side, through every layer."""
    layers, start, inputs = [], 0, 2 * layout.vector_length
    for width in layout.widths:
        middle, end = start + width * inputs, start + width * (inputs + 1)
        layers.append((network[start:middle].reshape(width, inputs), network[middle:end]))
        start, inputs = end, width
    users, items = len(user_vectors), len(item_vectors)
    x = torch.cat(
        (user_vectors[:, None, :].expand(-1, items, -1), item_vectors[None, :, :].expand(users, -1, -1)), dim=2
    )
    for weights, biases in layers:
        x = torch.relu(x @ weights.T + biases)
    return x @ network[start:]


def random_case(widths, users, seed):
    rng = np.random.default_rng(seed)
    layout = TowerLayout(3, widths)
    network = layout.initial(1.0, rng) + rng.normal(0, 0.1, layout.size).astype(np.float32)
    item_vectors, user_vectors = (rng.normal(size=(n, 3)).astype(np.float32) for n in (ITEMS, users))
    residuals = rng.normal(size=(users, ITEMS)).astype(np.float32)
    return layout, network, item_vectors, user_vectors, residuals


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_scores_and_gradients_are_those_of_autograd(widths, users, seed):
    layout, network, item_vectors, user_vectors, residuals = random_case(tuple(widths), users, seed)
    tower = Tower(layout, network, item_vectors, users_together=4)
    leaves = [torch.tensor(array, requires_grad=True) for array in (network, item_vectors, user_vectors)]
    expected = tower_scores(layout, *leaves)
    wanted = torch.autograd.grad(expected, leaves, torch.tensor(residuals))
    np.testing.assert_allclose(tower.scores(user_vectors), expected.detach().numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tower.user_gradient(residuals), wanted[2].numpy(), rtol=1e-4, atol=1e-3)
    tower.add_gradient(residuals)
    item_gradient, network_gradient = tower.gradient()
    np.testing.assert_allclose(network_gradient, wanted[0].numpy(), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(item_gradient, wanted[1].numpy(), rtol=1e-4, atol=1e-3)


def test_gradients_add_up_over_groups_of_users():
    layout, network, item_vectors, user_vectors, residuals = random_case((4, 3), 4, seed=1)
    together = Tower(layout, network, item_vectors, users_together=4)
    together.scores(user_vectors)
    together.add_gradient(residuals)
    apart = Tower(layout, network, item_vectors, users_together=4)
    for rows in (slice(0, 3), slice(3, 4)):
        apart.scores(user_vectors[rows])
        apart.add_gradient(residuals[rows])
    for one, other in zip(together.gradient(), apart.gradient(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_the_slopes_at_zero_are_those_of_autograd():
    layout, network, item_vectors, *_ = random_case((4, 3), 1, seed=2)
    scores, slopes = Tower(layout, network, item_vectors, users_together=1).at_zero()
    zero = torch.zeros((1, 3))
    network, item_vectors = torch.tensor(network), torch.tensor(item_vectors)
    wanted = torch.autograd.functional.jacobian(
        lambda vector: tower_scores(layout, network, item_vectors, vector)[0], zero
    )
    np.testing.assert_allclose(scores, tower_scores(layout, network, item_vectors, zero)[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(slopes, wanted[:, 0].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("widths", "size"), [((4,), 4 * 6 + 4 + 4), ((4, 2), 4 * 6 + 4 + 2 * 4 + 2 + 2)])
def test_a_network_has_as_many_numbers_as_its_layers(widths, size):
    assert TowerLayout(3, widths).size == size
    assert TowerLayout(0, widths).size == 0
