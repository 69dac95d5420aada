import subprocess
import sys

import numpy as np
import pytest

from common.data.user_items import UserItems
from common.errors import Rejected, WrongUse
from common.models.gmf_mlp import GmfMlp
from common.models.ials import Ials
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.warm_start import Turn, WarmStart

ITEMS, USERS = 30, 12
SIZES = {"factors": 4, "tower_factors": 3, "tower_widths": (4,)}
FIRST, THEN = Ials(factors=4), Ncf(**SIZES)
BRANCHES = GmfMlp(Ncf("gmf", **SIZES), Ncf("mlp", **SIZES))
MODEL = WarmStart(FIRST, THEN, rounds=2)
JOINED = WarmStart(BRANCHES, THEN, rounds=2)
EITHER = pytest.mark.parametrize("model", [MODEL, JOINED], ids=["ials", "gmf and mlp"])


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


def states(rounds, model=MODEL):
    train, found = some_users(), [model.initial_state(ITEMS, rng())]
    for _ in range(rounds):
        found.append(next_state(model, found[-1], train))
    return found


def begun(model, state):
    """What NCF starts from at the end of the warm start."""
    turn = model.at(state)
    assert isinstance(turn, Turn)
    return turn.begun(state)


@EITHER
def test_the_first_rounds_are_those_of_the_first_model(model):
    train, warm = some_users(), states(2, model)
    alone = model.first.initial_state(ITEMS, rng())
    for state in warm[1:]:
        alone = next_state(model.first, alone, train)
        assert all(np.array_equal(state[name], alone[name]) for name in alone)


@EITHER
def test_the_last_of_them_is_shown_as_a_model_of_the_first_and_trained_as_ncf(model):
    """So its figure on validation is that of what NCF starts from."""
    train, two = some_users(), states(2, model)[2]
    update, vectors = model.local_step(two, train)
    assert np.array_equal(vectors, model.first.fold_in(two, train))
    assert np.array_equal(model.scores(two, vectors), model.first.scores(two, vectors))
    alone = THEN.local_step(begun(model, two), train)[0]
    assert all(np.array_equal(update[name], alone[name]) for name in alone)
    with pytest.raises(WrongUse, match="starts with the first model"):
        model.at(two).initial_state(ITEMS, rng())


def test_ncf_begins_with_the_item_factors_of_ials_scaled():
    train, two = some_users(), states(2)[2]
    start = begun(MODEL, two)
    assert set(start) == set(THEN.initial_state(ITEMS, rng()))
    np.testing.assert_allclose(start["item_factors"][:, :4], MODEL.scale * two["item_factors"], rtol=1e-6)
    assert start["item_factors"][:, 4:].any()
    counts = np.bincount(train.items, minlength=ITEMS) + 1
    np.testing.assert_allclose(np.exp(start["item_bias"]), counts / counts.sum(), rtol=1e-5)


@EITHER
def test_then_the_rounds_are_those_of_ncf(model):
    two, three, four = states(4, model)[2:]
    alone = next_state(THEN, begun(model, two), some_users())
    assert set(three) == set(alone) == set(THEN.initial_state(ITEMS, rng()))
    assert all(np.array_equal(three[name], alone[name]) for name in alone)
    alone = next_state(THEN, three, some_users())
    assert all(np.array_equal(four[name], alone[name]) for name in alone)


@EITHER
def test_all_phases_fold_in_and_score(model):
    for state in states(3, model):
        vectors = model.fold_in(state, some_users())
        assert np.array_equal(vectors, model.local_step(state, some_users())[1])
        assert model.scores(state, vectors).shape == (USERS, ITEMS)


@EITHER
def test_an_update_of_the_other_phase_is_rejected(model):
    train, found = some_users(), states(3, model)
    of_first, of_ncf = (model.local_step(found[at], train)[0] for at in (0, 3))
    model.at(found[0]).check_update(of_first, ITEMS)
    for state in found[2:]:
        model.at(state).check_update(of_ncf, ITEMS)
        with pytest.raises(Rejected, match="must hold exactly the arrays"):
            model.at(state).check_update(of_first, ITEMS)
    with pytest.raises(Rejected, match=r"must hold exactly the arrays counts, gram|belongs to neither branch"):
        model.at(found[1]).check_update(of_ncf, ITEMS)


@EITHER
@pytest.mark.parametrize(("at", "of_other"), [(0, 2), (2, 0), (3, 0)])
def test_an_update_of_the_other_phase_has_no_effect(model, at, of_other):
    train, found = some_users(), states(3, model)
    state, other = found[at], model.local_step(found[of_other], train)[0]
    own = model.local_step(state, train)[0]
    alone = model.apply(state, model.fuse([own], [1.0]))
    with_other = model.apply(state, model.fuse([other, own], [1.0, 1.0]))
    assert all(np.array_equal(alone[name], with_other[name]) for name in alone)
    unmoved = model.apply(state, model.fuse([other], [1.0]))
    assert all(np.array_equal(unmoved[name], state[name]) for name in state)


@EITHER
def test_a_mixed_update_is_rejected(model):
    found = states(3, model)
    of_first, of_ncf = (model.local_step(found[at], some_users())[0] for at in (0, 3))
    for update in (of_first | of_ncf, {}, {"gram": None}, {"gmf/item_factors": None}):
        for state in found:
            with pytest.raises(Rejected):
                model.at(state).check_update(update, ITEMS)
        with pytest.raises(Rejected):
            model.check_update(update, ITEMS)


@EITHER
@pytest.mark.parametrize("at", [0, 2, 3])
def test_a_round_of_no_weight_is_not_counted(model, at):
    state = states(3, model)[at]
    update = model.local_step(state, some_users())[0]
    applied = model.apply(state, model.fuse([update], [0.0]))
    assert set(applied) == set(state)
    assert all(np.array_equal(applied[name], state[name]) for name in state)


@EITHER
def test_the_examples_of_either_phase_are_interactions(model):
    found = states(3, model)
    for at in (0, 2, 3):
        update = model.local_step(found[at], some_users())[0]
        assert model.example_count(update) == model.at(found[at]).example_count(update) == len(some_users().items)


@EITHER
def test_noise_at_the_turn_takes_the_form_of_ncf(model):
    form, own = model.at(states(2, model)[2]).noisy_form(ITEMS, 1.0), THEN.noisy_form(ITEMS, 1.0)
    assert (form.noisy, form.row_arrays, form.semidefinite) == (own.noisy, own.row_arrays, own.semidefinite)


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_a_sampled_loss_starts_from_ials_too(loss):
    then = SampledNcf(loss=loss, ncf=THEN)
    model, train = WarmStart(FIRST, then, rounds=1), some_users()
    state = next_state(model, model.initial_state(ITEMS, rng()), train)
    start = begun(model, state)
    assert set(start) == set(then.initial_state(ITEMS, rng()))
    counts = np.bincount(train.items, minlength=ITEMS) + 1
    np.testing.assert_allclose(np.exp(start["item_bias"]), counts / counts.sum(), rtol=1e-5)
    alone = start
    for _ in range(2):
        state, alone = next_state(model, state, train), next_state(then, alone, train)
        assert all(np.array_equal(state[name], alone[name]) for name in alone)


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": Ials(factors=5)},
        {"first": BRANCHES, "then": Ncf(**(SIZES | {"factors": 5}))},
        {"first": BRANCHES, "then": Ncf(**(SIZES | {"tower_factors": 5}))},
        {"first": BRANCHES, "then": Ncf("gmf", **SIZES)},
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
