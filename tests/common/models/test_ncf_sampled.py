import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.load import load_dataset
from common.data.negatives import sample_training_negatives
from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.seeding import generator

ITEMS = 40
VARIANTS = ("neumf", "gmf", "mlp")
LOSSES = ("bce", "bpr")
EVERY = [(loss, variant) for loss in LOSSES for variant in VARIANTS]


def a_model(loss, variant, **wrapped):
    sizes = {"factors": 5, "tower_factors": 3, "tower_widths": (6, 4)}
    return SampledNcf(loss=loss, ncf=Ncf(variant=variant, **sizes, **wrapped))


def random_users(users, seed, items=ITEMS):
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((users, items)) < rng.uniform(0.02, 0.4, (users, 1)))
    ones = np.ones(len(rows), np.float32)
    return UserItems.from_pairs(rows, columns, ones, np.zeros(len(rows)), user_count=users, item_count=items)


def rng():
    return np.random.default_rng(7)


def trained(model, train, rounds=3):
    state = model.initial_state(train.item_count, rng())
    for _ in range(rounds):
        state = model.apply(state, model.fuse([model.local_step(state, train)[0]], [1.0]))
    return state


def drawn(model, state, train):
    key = generator(int(state["seed"][0]), "training-negatives", int(state["steps"][0])).integers(2**63)
    return sample_training_negatives(train, model.negatives, int(key))


def loss_of(model, state, train):
    """L without the items' penalty, interaction by interaction and by autograd. Returns it and what it depends on."""
    leaves = {name: torch.tensor(state[name], requires_grad=True) for name in ("item_factors", "item_bias", "network")}
    vectors = torch.tensor(model.fold_in(state, train), requires_grad=True)
    d, m = model.gmf_length, model.ncf.layout.vector_length
    users, negatives = torch.tensor(train.users).long(), torch.tensor(drawn(model, state, train)).long()
    items = torch.cat((torch.tensor(train.items).long()[:, None], negatives), dim=1)
    own, rows = vectors[users][:, None, :], leaves["item_factors"][items]
    scores = (own[..., :d] * rows[..., :d]).sum(dim=2) + leaves["item_bias"][items]
    if m:
        x, start, inputs = torch.cat((own[..., d:].expand(-1, items.shape[1], -1), rows[..., d:]), dim=2), 0, 2 * m
        for width in model.ncf.tower_widths:
            weights = leaves["network"][start : start + width * inputs].reshape(width, inputs)
            start += width * inputs
            x = torch.relu(x @ weights.T + leaves["network"][start : start + width])
            start, inputs = start + width, width
        scores = scores + x @ leaves["network"][start:]
    if model.loss == "bce":
        loss = torch.nn.functional.softplus(-scores[:, 0]).sum() + torch.nn.functional.softplus(scores[:, 1:]).sum()
    else:
        loss = torch.nn.functional.softplus(scores[:, 1:] - scores[:, :1]).sum()
    counts = torch.tensor(train.counts) + model.prior_interactions
    return loss + model.ncf.user_regularisation / 2 * (counts * (vectors**2).sum(dim=1)).sum(), leaves, vectors


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_the_update_is_the_gradient_that_autograd_finds(loss, variant):
    model, train = a_model(loss, variant), random_users(9, seed=3)
    state = trained(model, train)
    update = model.local_step(state, train)[0]
    value, leaves, _ = loss_of(model, state, train)
    value.backward()
    rows, counts = update["row_ids"], update["counts"]
    wanted = {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
    np.testing.assert_allclose(update["item_factors"] * counts[:, None], wanted["item_factors"][rows], atol=1e-4)
    np.testing.assert_allclose(update["item_bias"] * counts, wanted["item_bias"][rows], atol=1e-4)
    if variant != "gmf":
        np.testing.assert_allclose(update["network"], wanted["network"] / len(train.items), atol=1e-4)


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_an_update_touches_what_is_positive_or_drawn_and_counts_it(loss, variant):
    model, train = a_model(loss, variant), random_users(9, seed=3)
    state = trained(model, train, rounds=2)
    update, negatives = model.local_step(state, train)[0], drawn(model, state, train)
    times = 1 if loss == "bce" else model.negatives
    wanted = times * np.bincount(train.items, minlength=ITEMS) + np.bincount(negatives.ravel(), minlength=ITEMS)
    assert update["row_ids"].tolist() == np.flatnonzero(wanted).tolist()
    assert update["counts"].tolist() == wanted[wanted > 0].tolist()
    assert model.example_count(update) == len(train.items)


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_folding_in_ends_where_the_loss_is_nearly_flat(loss, variant):
    train = random_users(9, seed=4)
    state = trained(a_model(loss, variant), train)
    value, _, vectors = loss_of(a_model(loss, variant, user_steps=100), state, train)
    (gradient,) = torch.autograd.grad(value, [vectors])
    # not zero: a tower of ReLUs has edges
    assert gradient.abs().max().item() < (1e-3 if variant == "gmf" else 0.1 * train.counts.max())


@pytest.mark.parametrize("loss", LOSSES)
def test_eight_steps_come_close_to_the_least_loss_on_real_data(loss):
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(60))
    by_steps = {
        steps: SampledNcf(loss=loss, ncf=Ncf(variant="gmf", factors=16, user_steps=steps)) for steps in (1, 8, 80)
    }
    state = trained(by_steps[8], train, rounds=4)
    start, eight, least = (loss_of(model, state, train)[0].item() for model in by_steps.values())
    assert start - least > 0
    assert eight - least < 0.05 * (start - least)


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_clients_together_are_the_central_model(loss, variant):
    model, train = a_model(loss, variant), random_users(12, seed=5)
    state = trained(model, train)
    central = model.fuse([model.local_step(state, train)[0]], [1.0])
    parts = [train.take(users) for users in np.array_split(np.arange(12), 5)]
    updates = [model.local_step(state, part)[0] for part in parts]
    fused = model.fuse(updates, [1.0] * 5)
    assert np.array_equal(fused["row_ids"], central["row_ids"])
    np.testing.assert_allclose(fused["counts"], central["counts"])
    for name in ("item_factors", "item_bias"):
        np.testing.assert_allclose(fused[name], central[name], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fused["network"], np.mean([each["network"] for each in updates], axis=0), atol=1e-6)


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3), st.integers(0, 1000), st.floats(0.5, 30))
@settings(max_examples=30)
def test_a_fused_row_is_the_mean_by_weight_times_count_or_less_below_the_floor(weights, seed, floor):
    model = SampledNcf(row_floor=floor, ncf=Ncf(variant="gmf", factors=2))
    draw = np.random.default_rng(seed)
    updates = []
    for _ in weights:
        rows = np.flatnonzero(draw.random(4) < 0.6).astype(np.uint32)
        updates.append(
            {
                "row_ids": rows,
                "item_factors": draw.normal(size=(len(rows), 2)).astype(np.float32),
                "item_bias": draw.uniform(-1, 1, len(rows)).astype(np.float32),
                "counts": draw.integers(1, 9, len(rows)).astype(np.uint32),
                "network": np.zeros(0, np.float32),
            }
        )
    fused = model.fuse(updates, weights)
    sums, counts = np.zeros((4, 2)), np.zeros(4)
    for weight, update in zip(weights, updates, strict=True):
        for at, item in enumerate(update["row_ids"]):
            sums[item] += weight * update["counts"][at] * update["item_factors"][at].astype(float)
            counts[item] += weight * update["counts"][at]
    wanted = (sums / np.maximum(counts, floor)[:, None])[fused["row_ids"]]
    np.testing.assert_allclose(fused["item_factors"], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_that_one_client_touches_does_not_jump(loss):
    train = random_users(8, seed=2)
    moved = {}
    for floor in (0.5, 1000.0):
        ncf = Ncf(variant="gmf", factors=5)
        model = SampledNcf(loss=loss, row_floor=floor, ncf=ncf)
        state = model.initial_state(ITEMS, rng())
        fused = model.fuse([model.local_step(state, train.take(np.array([3])))[0]], [1.0])
        moved[floor] = np.abs(fused["item_bias"]).max(), np.abs(model.apply(state, fused)["item_bias"]).max()
    assert moved[0.5][0] > 0.3
    assert moved[1000.0][1] < 0.05 * moved[0.5][1]


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_that_nobody_touched_stay_where_they_are(loss):
    model, train = a_model(loss, "neumf"), random_users(9, seed=3)
    state = trained(model, train)
    one = train.take(np.array([int(np.argmin(np.where(train.counts > 0, train.counts, 99)))]))
    update = model.local_step(state, one)[0]
    applied = model.apply(state, model.fuse([update], [1.0]))
    others = np.setdiff1d(np.arange(ITEMS), update["row_ids"])
    assert len(others) > 5
    for name in ("item_factors", "item_bias", "mean_of_item_factors", "square_of_item_factors"):
        assert np.array_equal(applied[name][others], state[name][others])
        assert not np.array_equal(applied[name], state[name])


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_no_method_changes_its_arguments_and_the_bytes_repeat(loss, variant):
    model, train = a_model(loss, variant), random_users(20, seed=8)
    state = trained(model, train)
    before = {name: array.copy() for name, array in state.items()}
    first, second = model.local_step(state, train), model.local_step(state, train)
    assert all(first[0][name].tobytes() == second[0][name].tobytes() for name in first[0])
    assert first[1].tobytes() == model.fold_in(state, train).tobytes()
    fused = model.fuse([first[0]], [1.0])
    sent = {name: array.copy() for name, array in fused.items()}
    model.apply(state, fused)
    model.scores(state, first[1])
    assert all(np.array_equal(state[name], before[name]) for name in state)
    assert all(np.array_equal(fused[name], sent[name]) for name in fused)


def test_every_round_and_every_seed_draws_other_negatives():
    model, train = a_model("bce", "gmf"), random_users(9, seed=3)
    state = model.initial_state(ITEMS, rng())
    later, other = state | {"steps": np.array([1])}, state | {"seed": state["seed"] + np.uint32(1)}
    counts = [model.local_step(each, train)[0]["counts"].tolist() for each in (state, later, other)]
    assert counts[0] != counts[1]
    assert counts[0] != counts[2]


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_nobody_and_no_weight_change_nothing(loss, variant):
    model, train = a_model(loss, variant), random_users(9, seed=9)
    state = trained(model, train)
    for users in (np.arange(0), np.flatnonzero(train.counts == 0)[:1]):
        assert not model.fold_in(state, train.take(users)).any()
        update = model.local_step(state, train.take(users))[0]
        model.check_update(update, ITEMS)
        assert len(update["row_ids"]) == 0
    applied = model.apply(state, model.fuse([model.local_step(state, train)[0]], [0.0]))
    assert all(np.array_equal(applied[name], state[name]) for name in state)


@pytest.mark.parametrize(("loss", "variant"), EVERY)
def test_training_lowers_the_loss(loss, variant):
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(40))
    sizes = {"factors": 8, "tower_factors": 8, "tower_widths": (8, 4), "tower_learning_rate": 0.05}
    model = SampledNcf(loss=loss, ncf=Ncf(variant=variant, **sizes))
    states = [trained(model, train, rounds) for rounds in (0, 4)]
    same_draws = [state | {"steps": np.array([9]), "seed": np.array([5], np.uint32)} for state in states]
    losses = [loss_of(model, state, train)[0].item() for state in same_draws]
    assert losses[1] < 0.9 * losses[0]


@pytest.mark.parametrize(
    "wrong", [{"loss": "hinge"}, {"negatives": 0}, {"row_floor": 0.0}, {"prior_interactions": float("nan")}]
)
def test_a_setting_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        SampledNcf(**wrong)


def test_gmf_needs_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from common.models.ncf import Ncf\n"
        "from common.models.ncf_sampled import SampledNcf\n"
        "from common.data.user_items import UserItems\n"
        "z = np.zeros(2, np.int64)\n"
        "one = UserItems(np.array([0, 2]), np.array([1, 3], np.int32), np.ones(2, np.float32), z, 5)\n"
        "model = SampledNcf(ncf=Ncf(variant='gmf', factors=2))\n"
        "state = model.initial_state(5, np.random.default_rng(0))\n"
        "update = model.local_step(state, one)[0]\n"
        "model.check_update(update, 5)\n"
        "model.apply(state, model.fuse([update], [1.0]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=".")
