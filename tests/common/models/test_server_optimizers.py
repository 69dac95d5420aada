import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.errors import WrongUse
from common.models.server_optimizers import EPSILON, KINDS, ServerOptimizer

FINITE = st.floats(-1e3, 1e3, width=32)
ROWS = npst.arrays(np.float32, (4, 3), elements=FINITE)
SQUARES = npst.arrays(np.float32, (4, 3), elements=st.floats(0, 1e6, width=32))
RATES = st.floats(1e-4, 10)


@given(ROWS, ROWS, RATES, st.integers(0, 100))
def test_avg_is_plain_descent(parameters, gradient, rate, taken):
    step = ServerOptimizer("avg").step(parameters, gradient, {}, rate, taken)
    np.testing.assert_allclose(step.parameters, parameters - np.float32(rate) * gradient, rtol=1e-5, atol=1e-3)
    assert not step.moments


@given(ROWS, ROWS, ROWS, RATES, st.integers(0, 100))
def test_avgm_descends_along_a_mean_of_gradients(parameters, gradient, mean, rate, taken):
    step = ServerOptimizer("avgm", beta_mean=0.75).step(parameters, gradient, {"mean": mean}, rate, taken)
    wanted = 0.75 * mean + 0.25 * gradient
    np.testing.assert_allclose(step.moments["mean"], wanted, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(step.parameters, parameters - rate * wanted, rtol=1e-4, atol=1e-2)


@given(ROWS, ROWS)
def test_avgm_without_memory_is_avg(parameters, gradient):
    none = {"mean": np.ones_like(gradient)}
    with_mean = ServerOptimizer("avgm", beta_mean=0.0).step(parameters, gradient, none, 0.5, 3)
    plain = ServerOptimizer("avg").step(parameters, gradient, {}, 0.5, 3)
    np.testing.assert_allclose(with_mean.parameters, plain.parameters, rtol=1e-5, atol=1e-3)


@given(ROWS, ROWS, SQUARES, RATES, st.integers(0, 100))
def test_adam_is_the_step_that_ncf_took_when_it_had_no_other(gradient, mean, square, rate, taken):
    """The lines as they stood in `Ncf.apply`, byte for byte."""
    wanted = {"w": np.ones_like(gradient), "mean": mean.copy(), "square": square.copy()}
    wanted["mean"] += np.float32(1 - 0.9) * (gradient - mean)
    wanted["square"] += np.float32(1 - 0.99) * (gradient * gradient - square)
    mean_hat = wanted["mean"] / np.float32(1 - 0.9 ** (taken + 1))
    square_hat = wanted["square"] / np.float32(1 - 0.99 ** (taken + 1))
    wanted["w"] -= np.float32(rate) * mean_hat / (np.sqrt(square_hat) + np.float32(EPSILON))
    moments = {"mean": mean, "square": square}
    step = ServerOptimizer().step(np.ones_like(gradient), gradient, moments, np.float32(rate), taken)
    assert step.parameters.tobytes() == wanted["w"].tobytes()
    assert all(step.moments[name].tobytes() == wanted[name].tobytes() for name in ("mean", "square"))


@given(ROWS, ROWS, SQUARES, st.integers(0, 100))
def test_yogis_second_moment_moves_by_a_share_of_the_square_towards_it(gradient, mean, square, taken):
    moments = {"mean": mean, "square": square}
    step = ServerOptimizer("yogi", beta_square=0.75).step(np.zeros_like(gradient), gradient, moments, 0.1, taken)
    latest = gradient * gradient
    moved = step.moments["square"].astype(float) - square
    np.testing.assert_allclose(moved, 0.25 * latest * np.sign(latest - square), rtol=1e-5, atol=0.2)
    assert np.all(step.moments["square"] >= 0)
    assert np.all(np.isfinite(step.parameters))


@pytest.mark.parametrize("kind", KINDS)
def test_every_optimiser_finds_the_minimum_of_a_bowl(kind):
    optimizer, least = ServerOptimizer(kind), np.array([[3.0, -2.0]], np.float32)
    state = {"w": np.zeros((1, 2), np.float32)}
    state |= optimizer.start(state, "w")
    for taken in range(300):
        state |= optimizer.stepped(state, "w", state["w"] - least, 0.1, taken)
    np.testing.assert_allclose(state["w"], least, atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_other_rows_keep_their_place_and_their_moments_and_no_argument_changes(kind):
    optimizer, rng = ServerOptimizer(kind), np.random.default_rng(0)
    state = {"w": rng.normal(size=(5, 2)).astype(np.float32)}
    state |= {name: np.full_like(state["w"], 0.5) for name in optimizer.start(state, "w")}
    before = {name: array.copy() for name, array in state.items()}
    rows = np.array([1, 3])
    changed = optimizer.stepped(state, "w", np.ones((2, 2), np.float32), 0.1, 4, rows)
    assert set(changed) == set(state)
    for name, array in changed.items():
        assert np.array_equal(np.delete(array, rows, axis=0), np.delete(before[name], rows, axis=0))
        assert not np.any(array[rows] == before[name][rows])
    assert all(np.array_equal(state[name], before[name]) for name in state)


@pytest.mark.parametrize("wrong", [{"kind": "sgd"}, {"beta_mean": 1.0}, {"beta_square": -0.1}])
def test_a_setting_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        ServerOptimizer(**wrong)
