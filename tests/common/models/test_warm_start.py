import subprocess
import sys

import numpy as np
import pytest

from common.data.user_items import UserItems
from common.errors import Rejected, WrongUse
from common.models.ials import Ials
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.warm_start import WarmStart

ITEMS, USERS = 30, 12
FIRST, THEN = Ials(factors=4), Ncf(factors=4, tower_factors=3, tower_widths=(4,))
MODEL = WarmStart(FIRST, THEN, rounds=2)


def rng():
    return np.random.default_rng(3)


def some_users():
    rows, columns = np.nonzero(np.random.default_rng(0).random((USERS, ITEMS)) < 0.3)
    ones = np.ones(len(rows), np.float32)
    return UserItems.from_pairs(rows, columns, ones, np.zeros(len(rows)), user_count=USERS, item_count=ITEMS)


def next_state(model, state, train):
    update = model.local_step(state, train)[0]
    model.check_update(update, ITEMS)
    return model.apply(state, model.fuse([update], [1.0]))


def states(rounds):
    train, found = some_users(), [MODEL.initial_state(ITEMS, rng())]
    for _ in range(rounds):
        found.append(next_state(MODEL, found[-1], train))
    return found


def test_the_first_rounds_are_those_of_ials():
    train, warm = some_users(), states(1)[1]
    alone = next_state(FIRST, FIRST.initial_state(ITEMS, rng()), train)
    assert all(np.array_equal(warm[name], alone[name]) for name in alone)


def test_after_them_the_state_is_one_of_ncf_with_the_item_factors_scaled():
    train = some_users()
    one, two = states(2)[1:]
    assert set(two) == set(THEN.initial_state(ITEMS, rng()))
    ials = next_state(FIRST, {name: one[name] for name in ("item_factors", "momentum")}, train)
    np.testing.assert_allclose(two["item_factors"][:, :4], MODEL.scale * ials["item_factors"], rtol=1e-6)
    assert two["item_factors"][:, 4:].any()
    counts = np.bincount(train.items, minlength=ITEMS) + 1
    np.testing.assert_allclose(np.exp(two["item_bias"]), counts / counts.sum(), rtol=1e-5)


def test_then_the_rounds_are_those_of_ncf():
    two, three = states(3)[2:]
    alone = next_state(THEN, two, some_users())
    assert all(np.array_equal(three[name], alone[name]) for name in alone)


def test_both_phases_fold_in_and_score():
    for state in states(3):
        vectors = MODEL.fold_in(state, some_users())
        assert np.array_equal(vectors, MODEL.local_step(state, some_users())[1])
        assert MODEL.scores(state, vectors).shape == (USERS, ITEMS)


def test_an_update_of_the_other_phase_is_rejected():
    train, found = some_users(), states(2)
    of_ials, of_ncf = (MODEL.local_step(found[at], train)[0] for at in (0, 2))
    MODEL.at(found[0]).check_update(of_ials, ITEMS)
    MODEL.at(found[2]).check_update(of_ncf, ITEMS)
    with pytest.raises(Rejected, match="must hold exactly the arrays counts, gram"):
        MODEL.at(found[1]).check_update(of_ncf, ITEMS)
    with pytest.raises(Rejected, match="must hold exactly the arrays"):
        MODEL.at(found[2]).check_update(of_ials, ITEMS)


@pytest.mark.parametrize("at", [0, 2])
def test_an_update_of_the_other_phase_has_no_effect(at):
    train, found = some_users(), states(2)
    state, other = found[at], MODEL.local_step(found[2 - at], train)[0]
    own = MODEL.local_step(state, train)[0]
    alone = MODEL.apply(state, MODEL.fuse([own], [1.0]))
    with_other = MODEL.apply(state, MODEL.fuse([other, own], [1.0, 1.0]))
    assert all(np.array_equal(alone[name], with_other[name]) for name in alone)
    unmoved = MODEL.apply(state, MODEL.fuse([other], [1.0]))
    assert all(np.array_equal(unmoved[name], state[name]) for name in state)


def test_a_mixed_update_is_rejected():
    found = states(2)
    of_ials, of_ncf = (MODEL.local_step(found[at], some_users())[0] for at in (0, 2))
    for update in (of_ials | of_ncf, {}, {"gram": None}):
        for state in found:
            with pytest.raises(Rejected):
                MODEL.at(state).check_update(update, ITEMS)
        with pytest.raises(Rejected):
            MODEL.check_update(update, ITEMS)


@pytest.mark.parametrize("at", [0, 2])
def test_a_round_of_no_weight_is_not_counted(at):
    state = states(2)[at]
    update = MODEL.local_step(state, some_users())[0]
    applied = MODEL.apply(state, MODEL.fuse([update], [0.0]))
    assert all(np.array_equal(applied[name], state[name]) for name in state)


def test_the_examples_of_either_phase_are_interactions():
    found = states(2)
    for at in (0, 2):
        update = MODEL.local_step(found[at], some_users())[0]
        assert MODEL.example_count(update) == len(some_users().items)


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_a_sampled_loss_starts_from_ials_too(loss):
    then = SampledNcf(loss=loss, ncf=THEN)
    model, train = WarmStart(FIRST, then, rounds=1), some_users()
    state = next_state(model, model.initial_state(ITEMS, rng()), train)
    assert set(state) == set(then.initial_state(ITEMS, rng()))
    counts = np.bincount(train.items, minlength=ITEMS) + 1
    np.testing.assert_allclose(np.exp(state["item_bias"]), counts / counts.sum(), rtol=1e-5)
    vectors = model.fold_in(state, train)
    assert np.array_equal(vectors, model.local_step(state, train)[1])
    later = next_state(model, state, train)
    alone = next_state(then, state, train)
    assert all(np.array_equal(later[name], alone[name]) for name in alone)


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": Ials(factors=5)},
        {"then": Ncf(variant="mlp", factors=4)},
        {"rounds": 0},
        {"scale": 0.0},
    ],
)
def test_a_setting_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        WarmStart(**({"first": FIRST, "then": THEN, "rounds": 2} | wrong))


def test_the_ials_phase_needs_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from common.data.user_items import UserItems\n"
        "from common.models.ials import Ials\n"
        "from common.models.ncf import Ncf\n"
        "from common.models.warm_start import WarmStart\n"
        "z = np.zeros(2, np.int64)\n"
        "one = UserItems(np.array([0, 2]), np.array([1, 3], np.int32), np.ones(2, np.float32), z, 5)\n"
        "model, rng = WarmStart(Ials(factors=2), Ncf(factors=2), 1), np.random.default_rng(0)\n"
        "state = model.initial_state(5, rng)\n"
        "update = model.local_step(state, one)[0]\n"
        "model.at(state).check_update(update, 5)\n"
        "state = model.apply(state, model.fuse([update], [1.0]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
