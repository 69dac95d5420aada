"""Scores from what an update changed, against those of the applied model as if nothing were known of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.probe_scoring import by_definition
from common.data.probe import draw_probe_pool
from common.data.user_items import UserItems
from common.metrics import ranks
from common.models import Ials, Mf
from common.models.fused import Fused
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.ncf_slots import Slots
from common.models.refold import refold_of
from common.models.warm_start import WarmStart
from common.probe_scoring import MeasuredShard, _ranks, state_with_update_alone

ITEMS, USERS = 300, 120
SIZES = {"factors": 6, "tower_factors": 4, "tower_widths": (6, 4)}
GMF = Ncf(variant="gmf", **SIZES)
MODELS = {
    "mf": Mf(factors=6),
    "ials": Ials(factors=6),
    "gmf": GMF,
    "neumf": Ncf(**SIZES),
    "bce": SampledNcf(ncf=GMF),
    "bpr": SampledNcf(loss="bpr", ncf=GMF),
    "bce with a network": SampledNcf(ncf=Ncf(**SIZES)),
    "fused": Fused(Ials(factors=6), GMF),
    "fused with bce": Fused(Ials(factors=6), SampledNcf(ncf=GMF)),
    "before the change to ncf": WarmStart(Ials(factors=6), SampledNcf(ncf=GMF), 5),
    "at the change to ncf": WarmStart(Ials(factors=6), GMF, 3),
    "after the change to ncf": WarmStart(Ials(factors=6), SampledNcf(ncf=GMF), 1),
}


def users_of(rng, count, least, most):
    rows = [np.sort(rng.choice(ITEMS, rng.integers(least, most + 1), replace=False)) for _ in range(count)]
    users = np.repeat(np.arange(count), [len(row) for row in rows])
    ratings = rng.integers(1, 11, len(users)) / 2
    zeros = np.zeros(len(users))
    return UserItems.from_pairs(users, np.concatenate(rows), ratings, zeros, user_count=count, item_count=ITEMS)


@pytest.fixture(scope="module")
def shard_and_states():
    """A shard of histories short and long, and every model after two rounds."""
    rng = np.random.default_rng(3)
    pool, train = draw_probe_pool(users_of(rng, USERS, 3, 30), 1, 200, 0.5, seed=1)
    states = {}
    for name, model in MODELS.items():
        state = model.initial_state(ITEMS, np.random.default_rng(1))
        for _ in range(2):
            state = model.apply(state, model.fuse([model.at(state).local_step(state, train)[0]], [1.0]))
        states[name] = state
    return pool[0], states


@pytest.mark.parametrize("name", MODELS)
@given(seed=st.integers(0, 10_000), users=st.sampled_from([0, 1, 2, 20]), cohort=st.sampled_from([2, 40]))
@settings(max_examples=12, derandomize=True)
def test_a_gain_is_what_the_applied_model_measures_more(shard_and_states, name, seed, users, cohort):
    shard, states = shard_and_states
    model, state = MODELS[name], states[name]
    own = users_of(np.random.default_rng(seed), users, 1, 8) if users else users_of(np.random.default_rng(0), 1, 0, 0)
    update = model.local_step(state, own)[0]
    applied = state_with_update_alone(model, state, update, cohort)
    vectors, refold = refold_of(model, state, shard.histories)
    assert vectors.tobytes() == model.fold_in(state, shard.histories).tobytes()
    wanted = model.fold_in(applied, shard.histories)
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(refold(applied), wanted, rtol=0, atol=1e-5 * scale)
    measured = MeasuredShard(model, state, shard)
    gained, full = measured.gain(applied), by_definition(model, applied, shard)
    assert gained.first == pytest.approx(full.first - measured.metrics.first, abs=1e-6)
    assert gained.second == pytest.approx(full.second - measured.metrics.second, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_doing_nothing_gains_nothing_exactly(shard_and_states, name):
    """Under a sampled loss too: base and applied model meet the same draw."""
    shard, states = shard_and_states
    model, state = MODELS[name], states[name]
    same = {key: array.copy() for key, array in state.items()}
    gained = MeasuredShard(model, state, shard).gain(same)
    assert (gained.first, gained.second) == (0.0, 0.0)


def test_an_empty_update_of_a_sampled_loss_gains_nothing(shard_and_states):
    shard, states = shard_and_states
    model, state = MODELS["bce"], states["bce"]
    nothing = model.local_step(state, users_of(np.random.default_rng(0), 1, 0, 0))[0]
    gained = MeasuredShard(model, state, shard).gain(state_with_update_alone(model, state, nothing, 5))
    assert (gained.first, gained.second) == (0.0, 0.0)


@pytest.mark.parametrize("name", ["bce", "fused with bce"])
def test_users_whose_rows_did_not_change_keep_their_vectors(shard_and_states, monkeypatch, name):
    shard, states = shard_and_states
    model, state = MODELS[name], states[name]
    vectors, refold = refold_of(model, state, shard.histories)
    same = {key: array.copy() for key, array in state.items()}
    monkeypatch.setattr(Slots, "fit", None)
    assert np.array_equal(refold(same), vectors)


@given(
    seed=st.integers(0, 10_000),
    values=st.lists(
        st.sampled_from([-np.inf, np.inf, np.nan, 0.0, 1.0, 1.5, -3e38]), min_size=1, max_size=7, unique=True
    ),
)
@settings(max_examples=60)
def test_ranks_are_those_of_the_definition(seed, values):
    """With ties, infinities and NaN on either side."""
    rng = np.random.default_rng(seed)
    scores = rng.choice(np.array(values, dtype=np.float32), (4, 9))
    part = rng.choice(3, (4, 9))  # 0 rivals, 1 history, 2 held out
    held_out, known = np.nonzero(part == 2), np.nonzero(part == 1)
    wanted = ranks(scores[held_out], scores[held_out[0]], part[held_out[0]] == 0)
    assert _ranks(scores.copy(), known, held_out).tolist() == wanted.tolist()
