import numpy as np
import pytest

from benchmarks.bce_clients import NEGATIVES, Problem, as_a_cohort, one_by_one, plain
from common.data.user_items import UserItems
from common.models.ncf_layout import TowerLayout


@pytest.mark.parametrize("layout", [TowerLayout(0, (4,)), TowerLayout(3, (6, 4))], ids=["gmf", "neumf"])
def test_all_three_engines_do_the_same_work(layout):
    rng = np.random.default_rng(1)
    rows, columns = np.nonzero(rng.random((5, 30)) < 0.3)
    zeros = np.zeros(len(rows))
    train = UserItems.from_pairs(rows, columns, zeros + 1, zeros, user_count=5, item_count=30)
    problem = Problem(train, 4, layout, rng)
    assert len(problem.samples.items) == (1 + NEGATIVES) * len(rows)
    in_torch = plain(problem, range(5))
    ours = one_by_one(problem, range(5))
    sums = np.zeros_like(problem.factors)
    network = np.zeros_like(problem.network)
    for client, (moved, (touched, gradient)) in enumerate(zip(in_torch, ours, strict=True)):
        dense = np.zeros_like(problem.factors)
        dense[touched] = gradient.item_factors
        np.testing.assert_allclose(-dense, moved["item.weight"], atol=2e-6)
        np.testing.assert_allclose(-gradient.users, moved["user.weight"], atol=2e-6)
        np.testing.assert_allclose(-gradient.item_bias, moved["bias.weight"][touched, 0], atol=2e-6)
        flat = [moved[name].ravel() for name in moved if name.startswith(("tower", "output"))]
        np.testing.assert_allclose(-gradient.network, np.concatenate([*flat, []]), atol=5e-6)
        sums += dense
        network += gradient.network / max(1, len(problem.own_samples(client).items))
    together = as_a_cohort(problem)
    np.testing.assert_allclose(together.item_factors, sums, atol=1e-6)
    np.testing.assert_allclose(together.network, network, atol=1e-6)
