"""The step for devices, run by torch on the processor: there is no GPU where these tests run, and none is needed."""

from dataclasses import replace

import numpy as np
import pytest

import common.models.ncf_device
import common.models.on_device
from common.models import Ials, Mf
from common.models.fused import Fused
from common.models.ncf import Ncf
from common.models.ncf_device import DeviceNcf
from common.models.ncf_sampled import SampledNcf
from common.models.on_device import on_device
from common.models.warm_start import WarmStart
from tests.common.data.random_data import make_rows

ITEMS = 50
SIZES = {"factors": 6, "tower_factors": 4, "tower_widths": (7, 5)}
VARIANTS = ("gmf", "neumf", "mlp")


@pytest.fixture(scope="module")
def train():
    """Users with many items, few, and none."""
    rng = np.random.default_rng(2)
    sizes = [*rng.integers(1, 25, 40).tolist(), 0]
    return make_rows([{int(item): 1 for item in rng.choice(ITEMS, size, replace=False)} for size in sizes], ITEMS)


def state_of(ncf, train):
    """The state after three rounds."""
    state = ncf.initial_state(ITEMS, np.random.default_rng(1))
    for _ in range(3):
        state = ncf.apply(state, ncf.fuse([ncf.local_step(state, train)[0]], [1.0]))
    return state


def assert_close(found, wanted):
    assert found.dtype == wanted.dtype
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("floats", [common.models.ncf_device.FLOATS_TOGETHER, 5000, 1])
def test_a_step_on_a_device_is_that_of_the_processor(monkeypatch, train, variant, floats):
    """Whatever fits together: everybody, a few users, a single one."""
    monkeypatch.setattr(common.models.ncf_device, "FLOATS_TOGETHER", floats)
    ncf = Ncf(variant=variant, **SIZES)
    there, state = DeviceNcf.of(ncf, "cpu"), state_of(ncf, train)
    wanted, vectors = ncf.local_step(state, train)
    found, found_vectors = there.local_step(state, train)
    assert_close(found_vectors, vectors)
    assert_close(there.fold_in(state, train), vectors)
    for update in (found, there.update_of(state, train, vectors)):
        assert update.keys() == wanted.keys()
        for name, array in wanted.items():
            assert_close(update[name], array)
        there.check_update(update, ITEMS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_client_without_interactions_sends_what_it_sends_from_the_processor(train, variant):
    ncf = Ncf(variant=variant, **SIZES)
    state, nobody = state_of(ncf, train), train.take(np.array([40]))
    wanted, found = (model.local_step(state, nobody) for model in (ncf, DeviceNcf.of(ncf, "cpu")))
    assert found[1].shape == wanted[1].shape
    for name, array in wanted[0].items():
        assert_close(found[0][name], array)


def test_all_settings_go_along():
    ncf = Ncf(variant="mlp", user_steps=3, tower_steps=5, display=0.5, user_regularisation=0.2, **SIZES)
    moved = DeviceNcf.of(ncf, "cpu")
    assert {name: getattr(moved, name) for name in vars(ncf)} == vars(ncf)
    train = make_rows([{1: 1, 2: 1}, {3: 1}], ITEMS)
    state = ncf.initial_state(ITEMS, np.random.default_rng(1))
    assert_close(moved.fold_in(state, train), ncf.fold_in(state, train))


def test_only_ncf_under_the_softmax_moves(monkeypatch):
    asked = []

    def found(choice):
        asked.append(choice)
        return "cuda"

    monkeypatch.setattr(common.models.on_device, "resolved", found)
    gmf, ials = Ncf(variant="gmf", **SIZES), Ials(factors=6)
    for model in (ials, Mf(), SampledNcf(ncf=gmf), Fused(ials, SampledNcf(ncf=gmf))):
        assert on_device(model, {}, "auto") is model
    assert not asked
    assert on_device(gmf, {}, "auto") == DeviceNcf.of(gmf, "cuda")
    fused = Fused(ials, gmf, weight=3.0)
    assert on_device(fused, {}, "auto") == replace(fused, gmf=DeviceNcf.of(gmf, "cuda"))
    warm = WarmStart(ials, gmf, 2)
    assert on_device(warm, {"rounds_left": np.ones(1)}, "auto") is ials
    assert on_device(warm, {}, "auto") == DeviceNcf.of(gmf, "cuda")
    monkeypatch.setattr(common.models.on_device, "resolved", lambda _: "cpu")
    assert on_device(fused, {}, "auto") is fused


def test_two_branches_train_with_one_of_them_on_a_device(train):
    fused = Fused(Ials(factors=6), Ncf(variant="gmf", **SIZES))
    moved = replace(fused, gmf=DeviceNcf.of(fused.gmf, "cpu"))
    state = fused.initial_state(ITEMS, np.random.default_rng(1))
    wanted, found = (model.local_step(state, train) for model in (fused, moved))
    assert_close(found[1], wanted[1])
    for name, array in wanted[0].items():
        assert_close(found[0][name], array)
