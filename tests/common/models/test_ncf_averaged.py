import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.load import load_dataset
from common.data.user_items import UserItems
from common.errors import CheckFailed, Rejected, WrongUse
from common.models.model import Model
from common.models.ncf import Ncf
from common.models.ncf_averaged import SHARED, AveragedNcf
from common.models.ncf_users import softmax
from common.models.noisy_checks import NoisyRules
from common.norms import joint_norm

ITEMS = 30
VARIANTS = ("neumf", "gmf", "mlp")


def averaged(variant="neumf", **fields):
    return AveragedNcf(Ncf(variant=variant, factors=5, tower_factors=3, tower_widths=(6, 4)), **fields)


def random_users(users=9, seed=3):
    rows, columns = np.nonzero(np.random.default_rng(seed).random((users, ITEMS)) < 0.25)
    ones = np.ones(len(rows), np.float32)
    return UserItems.from_pairs(rows, columns, ones, np.zeros(len(rows)), user_count=users, item_count=ITEMS)


def rng():
    return np.random.default_rng(7)


def loss_of(model, state, train):
    """Softmax over the catalogue, users fitted, a mean per interaction."""
    chances = softmax(model.scores(state, model.fold_in(state, train)))
    return -np.log(chances[train.users, train.items]).mean()


def an_update(model, seed=1, scale=0.1):
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(0, scale, shape).astype(np.float32) for name, (_, shape) in model.layout(ITEMS).items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_a_model(variant):
    model: Model = averaged(variant)
    assert model.name == "ncf"
    assert not model.sends_sums
    state = model.initial_state(ITEMS, rng())
    assert model.at(state) is model
    assert set(state) == set(SHARED)
    assert {name: (array.dtype.str, array.shape) for name, array in state.items()} == model.layout(ITEMS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_users_and_scores_are_those_of_ncf(variant):
    model, train = averaged(variant), random_users()
    state = model.apply(model.initial_state(ITEMS, rng()), model.fuse([an_update(model)], [1.0]))
    vectors = model.fold_in(state, train)
    assert vectors.tobytes() == model.ncf.fold_in(state, train).tobytes()
    assert model.scores(state, vectors).tobytes() == model.ncf.scores(state, vectors).tobytes()


@pytest.mark.parametrize("variant", VARIANTS)
def test_local_steps_lower_the_loss(variant):
    model, train = averaged(variant), random_users()
    state = model.initial_state(ITEMS, rng())
    losses = [loss_of(model, state, train)]
    for _ in range(5):
        update, _ = model.local_step(state, train)
        model.check_update(update, ITEMS)
        state = model.apply(state, model.fuse([update], [1.0]))
        losses.append(loss_of(model, state, train))
    assert all(after < before for before, after in itertools.pairwise(losses))


def test_local_steps_of_a_federation_lower_the_loss_on_real_data():
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(60))
    model = AveragedNcf()
    parts = [train.take(users) for users in np.array_split(np.arange(60), 3)]
    state = model.initial_state(train.item_count, rng())
    before = loss_of(model, state, train)
    for _ in range(3):
        updates = [model.local_step(state, part)[0] for part in parts]
        state = model.apply(state, model.fuse(updates, [1.0] * 3))
    assert loss_of(model, state, train) < before - 0.05


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_method_changes_its_arguments_and_the_bytes_repeat(variant):
    model, train = averaged(variant), random_users()
    state = model.initial_state(ITEMS, rng())
    before = {name: array.copy() for name, array in state.items()}
    first, second = model.local_step(state, train), model.local_step(state, train)
    assert all(first[0][name].tobytes() == second[0][name].tobytes() for name in SHARED)
    assert first[1].tobytes() == model.fold_in(state, train).tobytes()
    sent = {name: array.copy() for name, array in first[0].items()}
    fused = model.fuse([first[0]], [1.0])
    model.apply(state, fused)
    assert all(np.array_equal(state[name], before[name]) for name in SHARED)
    assert all(np.array_equal(first[0][name], sent[name]) for name in SHARED)


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3))
@settings(max_examples=30)
def test_a_fused_update_is_the_mean_by_weight(weights):
    model = averaged("gmf")
    updates = [an_update(model, seed) for seed in range(3)]
    fused = model.fuse(updates, weights)
    total = sum(weights)
    for name in SHARED:
        wanted = sum(w * u[name].astype(float) for w, u in zip(weights, updates, strict=True)) / (total or 1.0)
        np.testing.assert_allclose(fused[name], wanted, rtol=1e-5, atol=1e-7)
        assert fused[name].dtype == np.float32
    assert fused["weight"][0] == total


def test_a_client_alone_is_followed_all_the_way_whatever_its_weight():
    model = averaged()
    state, update = model.initial_state(ITEMS, rng()), an_update(averaged())
    for weight in (1.0, 17.0):
        moved = model.apply(state, model.fuse([update], [weight]))
        for name in SHARED:
            np.testing.assert_allclose(moved[name], state[name] + update[name], rtol=1e-6)


def test_no_weight_leaves_the_state_as_it_is():
    model = averaged()
    state = model.initial_state(ITEMS, rng())
    applied = model.apply(state, model.fuse([an_update(model)], [0.0]))
    assert all(np.array_equal(applied[name], state[name]) for name in SHARED)
    with pytest.raises(ValueError, match="nothing"):
        model.fuse([], [])


@given(st.floats(1e-3, 1e3), st.integers(0, 1000))
@settings(max_examples=50)
def test_a_shortened_update_keeps_its_direction_and_passes_the_check(largest_move, seed):
    model = averaged(largest_move=largest_move)
    update = an_update(model, seed, scale=10.0)
    shortened = model.shortened(update)
    model.check_update(shortened, ITEMS)
    factor = min(1.0, largest_move / joint_norm(update, SHARED))
    for name in SHARED:
        np.testing.assert_allclose(shortened[name], factor * update[name], rtol=1e-5)


def test_a_short_update_is_left_as_it_is_and_an_infinite_one_is_refused():
    model = averaged()
    update = an_update(model)
    assert all(model.shortened(update)[name] is update[name] for name in SHARED)
    update["network"][3] = np.inf
    with pytest.raises(CheckFailed):
        model.shortened(update)


def too_long(update):
    update["item_bias"][0] = 1001.0


def not_a_number(update):
    update["item_factors"][1, 1] = np.nan


def infinite(update):
    update["network"][0] = -np.inf


def counts_sent(update):
    update["exposure"] = np.ones(ITEMS, np.uint32)


def no_network(update):
    del update["network"]


def double_precision(update):
    update["item_bias"] = update["item_bias"].astype(np.float64)


def a_row_missing(update):
    update["item_factors"] = update["item_factors"][1:]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (too_long, "longer than 1000, the largest move"),
        (not_a_number, "not finite"),
        (infinite, "not finite"),
        (counts_sent, "exactly the arrays"),
        (no_network, "exactly the arrays"),
        (double_precision, "item_bias has not the type"),
        (a_row_missing, "item_factors has not the type"),
    ],
)
def test_a_hostile_update_is_rejected_with_its_reason(damage, reason):
    model = averaged(largest_move=1000.0)
    update = an_update(model)
    model.check_update(update, ITEMS)
    damage(update)
    with pytest.raises(Rejected, match=reason):
        model.check_update(update, ITEMS)


def test_an_update_tells_nothing_of_how_much_a_client_has():
    model = averaged()
    updates = [model.local_step(model.initial_state(ITEMS, rng()), random_users(users))[0] for users in (2, 20)]
    assert [set(update) for update in updates] == [set(SHARED)] * 2
    assert [model.example_count(update) for update in updates] == [1, 1]


def test_the_noisy_form_is_the_update_itself():
    model = averaged()
    form = model.noisy_form(ITEMS, 1.0)
    assert form.public == {}
    assert form.row_arrays == ()
    update = an_update(model, scale=1e-3)
    NoisyRules(form, 1.0, 0.5).check(update)


@pytest.mark.parametrize("wrong", [{"largest_move": 0.0}, {"largest_move": float("inf")}, {"item_scale": -1.0}])
def test_a_setting_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        averaged(**wrong)
