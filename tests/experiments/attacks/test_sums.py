from dataclasses import replace

import numpy as np
import pytest

from common.errors import Rejected
from experiments.attacks.sums import sums_of, update_of
from experiments.attacks.targets import draw_malicious, draw_targets
from tests.common.data.random_data import make_rows
from tests.experiments.attacks.small_attacks import ITEMS, MODELS, views


@pytest.mark.parametrize("model", MODELS)
def test_an_update_survives_the_common_form(model: str) -> None:
    view = views(model)[0]
    back = update_of(view.model, sums_of(view.model, view.honest, ITEMS))
    assert back.keys() == view.honest.keys()
    for name, array in view.honest.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_allclose(back[name], array, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e2, 1e6])
def test_whatever_is_written_into_the_sums_leaves_within_the_bounds(model: str, factor: float) -> None:
    view, rng = views(model)[0], np.random.default_rng(3)
    honest = sums_of(view.model, view.honest, ITEMS)
    wild = replace(
        honest,
        lift=(factor * rng.normal(size=honest.lift.shape)).astype(np.float32),
        counts=rng.integers(-5, 10 * honest.users, ITEMS),
        gram=None if honest.gram is None else factor * honest.gram,
        expected=None if honest.expected is None else factor * rng.normal(size=ITEMS),
    )
    view.model.check_update(update_of(view.model, wild), ITEMS)


def test_without_the_bounds_it_would_be_refused() -> None:
    view = views("ials")[0]
    with pytest.raises(Rejected):
        view.model.check_update(view.honest | {"residual": 1e6 * view.honest["residual"]}, ITEMS)


def test_targets_are_cold_and_mid_popular_items() -> None:
    popular = [{item: 1 for item in range(40) if user < 200 - 5 * item} for user in range(200)]
    rows = make_rows(popular, 40)
    counts = np.bincount(rows.items, minlength=40)
    targets = draw_targets(rows, 2, seed=1)
    assert len(set(targets.tolist())) == 4
    cold = [item for item in targets if 5 <= counts[item] <= 30]
    assert len(cold) == 2
    assert all(30 < counts[item] < 200 for item in np.setdiff1d(targets, cold))
    assert np.array_equal(targets, draw_targets(rows, 2, seed=1))


def test_a_larger_share_of_malicious_clients_holds_a_smaller_one() -> None:
    chosen = [set(draw_malicious(50, share, seed=1).tolist()) for share in (0.0, 0.1, 0.2, 0.4)]
    assert [len(clients) for clients in chosen] == [0, 5, 10, 20]
    assert chosen[1] < chosen[2] < chosen[3]
