import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.ncf import Ncf
from common.models.ncf_users import residuals

ITEMS = 40
SMALL = {"factors": 5, "tower_factors": 3, "tower_widths": (6, 4)}
VARIANTS = ("neumf", "gmf", "mlp")


def random_users(users, seed, items=ITEMS):
    rng = np.random.default_rng(seed)
    taken = rng.random((users, items)) < rng.uniform(0.02, 0.4, (users, 1))
    rows, columns = np.nonzero(taken)
    ones = np.ones(len(rows), np.float32)
    return UserItems.from_pairs(rows, columns, ones, np.zeros(len(rows)), user_count=users, item_count=items)


def rng():
    return np.random.default_rng(7)


def step(model, state, train):
    return model.local_step(state, train)


def trained(model, train, rounds=3):
    state = model.initial_state(train.item_count, rng())
    for _ in range(rounds):
        state = model.apply(state, model.fuse([step(model, state, train)[0]], [1.0]))
    return state


def loss_of(model, state, train):
    """L without the items' penalty, by autograd's own means. Returns the loss and the leaves it depends on."""
    leaves = {name: torch.tensor(state[name], requires_grad=True) for name in ("item_factors", "item_bias", "network")}
    vectors = torch.tensor(model.fold_in(state, train), requires_grad=True)
    d, m = model.gmf_length, model.layout.vector_length
    scores = vectors[:, :d] @ leaves["item_factors"][:, :d].T + leaves["item_bias"]
    if m:
        start, inputs = 0, 2 * m
        users, items = len(vectors), train.item_count
        x = torch.cat(
            (
                vectors[:, None, d:].expand(-1, items, -1),
                leaves["item_factors"][None, :, d:].expand(users, -1, -1),
            ),
            dim=2,
        )
        for width in model.tower_widths:
            weights = leaves["network"][start : start + width * inputs].reshape(width, inputs)
            start += width * inputs
            x = torch.relu(x @ weights.T + leaves["network"][start : start + width])
            start, inputs = start + width, width
        scores = scores + x @ leaves["network"][start:]
    counts = torch.tensor(train.counts)
    likelihood = torch.log_softmax(scores, dim=1)[torch.tensor(train.users).long(), torch.tensor(train.items).long()]
    penalty = (counts + model.display * train.item_count) * (vectors**2).sum(dim=1)
    return -likelihood.sum() + model.user_regularisation / 2 * penalty.sum(), leaves, vectors


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_update_is_the_gradient_that_autograd_finds(variant):
    model, train = Ncf(variant=variant, **SMALL), random_users(9, seed=3)
    state = trained(model, train)
    update = step(model, state, train)[0]
    loss, leaves, _ = loss_of(model, state, train)
    loss.backward()
    exposure = np.bincount(train.items, minlength=ITEMS) + model.display * 9
    wanted = {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
    np.testing.assert_allclose(update["item_factors"], wanted["item_factors"] / exposure[:, None], atol=2e-4)
    np.testing.assert_allclose(update["item_bias"], wanted["item_bias"] / exposure, atol=2e-4)
    if variant != "gmf":
        np.testing.assert_allclose(update["network"], wanted["network"] / len(train.items), atol=2e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_folding_in_ends_where_the_loss_is_nearly_flat(variant):
    model, train = Ncf(variant=variant, tower_steps=60, user_steps=60, **SMALL), random_users(9, seed=4)
    loss, _, vectors = loss_of(model, trained(Ncf(variant=variant, **SMALL), train), train)
    (gradient,) = torch.autograd.grad(loss, [vectors])
    # The gradients at zero are around the counts. A tower of ReLUs has edges, where none is zero.
    assert gradient.abs().max().item() < (1e-4 if variant == "gmf" else 0.05) * train.counts.max()


def test_eight_steps_come_close_to_the_least_loss_on_real_data():
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(60))
    model = Ncf(variant="gmf", factors=16)
    state = trained(model, train, rounds=4)
    start, eight, least = (
        loss_of(Ncf(variant="gmf", factors=16, user_steps=steps), state, train)[0].item() for steps in (1, 8, 80)
    )
    assert eight - least < 0.01 * (start - least)


def test_steps_on_the_line_and_two_with_the_tower_itself_come_close_to_the_least_loss():
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(60))
    model = Ncf(variant="neumf", factors=16)
    state = trained(model, train, rounds=8)
    start, one, two, least = (
        loss_of(Ncf(variant="neumf", factors=16, user_steps=steps, tower_steps=own), state, train)[0].item()
        for steps, own in ((1, 1), (8, 1), (8, 2), (8, 80))
    )
    assert two < one
    assert two - least < 0.3 * (start - least)


@pytest.mark.parametrize("variant", VARIANTS)
def test_clients_together_are_the_central_model(variant):
    model, train = Ncf(variant=variant, **SMALL), random_users(12, seed=5)
    state = trained(model, train)
    central = model.fuse([step(model, state, train)[0]], [1.0])
    parts = [train.take(users) for users in np.array_split(np.arange(12), 3)]
    updates = [step(model, state, part)[0] for part in parts]
    fused = model.fuse(updates, [0.5] * 3)
    for name in ("item_factors", "item_bias"):
        np.testing.assert_allclose(fused[name], central[name], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(fused["network"], np.mean([update["network"] for update in updates], axis=0), atol=1e-6)


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3), st.integers(0, 1000))
@settings(max_examples=30)
def test_a_fused_row_is_the_mean_by_weight_times_exposure(weights, seed):
    model = Ncf(variant="gmf", factors=2)
    generator = np.random.default_rng(seed)
    updates = [
        {
            "item_factors": generator.normal(size=(4, 2)).astype(np.float32),
            "item_bias": generator.uniform(-0.5, 0.5, 4).astype(np.float32),
            "network": np.zeros(0, np.float32),
            "exposure": generator.integers(0, 6, 4).astype(np.uint32),
            "users": np.array([6], np.uint32),
        }
        for _ in weights
    ]
    fused = model.fuse(updates, weights)
    total = sum(weights)
    for item in range(4):
        shares = [w * (int(u["exposure"][item]) + model.display * 6) for w, u in zip(weights, updates, strict=True)]
        rows = [share * u["item_factors"][item].astype(float) for share, u in zip(shares, updates, strict=True)]
        wanted = sum(rows) / sum(shares) if total > 0 else np.zeros(2)
        np.testing.assert_allclose(fused["item_factors"][item], wanted, rtol=1e-5, atol=1e-6)
    assert fused["weight"][0] == total


def test_one_update_alone_is_the_fused_update_whatever_its_weight():
    model, train = Ncf(**SMALL), random_users(6, seed=6)
    update = step(model, model.initial_state(ITEMS, rng()), train)[0]
    for weight in (1.0, 17.0):
        fused = model.fuse([update], [weight])
        for name in ("item_factors", "item_bias", "network"):
            np.testing.assert_allclose(fused[name], update[name], rtol=1e-6)


def test_no_weight_leaves_the_state_as_it_is():
    model, train = Ncf(**SMALL), random_users(6, seed=6)
    state = model.initial_state(ITEMS, rng())
    applied = model.apply(state, model.fuse([step(model, state, train)[0]], [0.0]))
    assert all(np.array_equal(applied[name], state[name]) for name in state)


def test_the_first_step_of_adam_is_the_learning_rate_against_the_gradients_sign():
    model, train = Ncf(variant="gmf", factors=3, learning_rate=0.25), random_users(6, seed=6)
    state = model.initial_state(ITEMS, rng())
    fused = model.fuse([step(model, state, train)[0]], [1.0])
    gradient = fused["item_factors"] + np.float32(model.item_regularisation) * state["item_factors"]
    moved = model.apply(state, fused)["item_factors"] - state["item_factors"]
    np.testing.assert_allclose(moved, -0.25 * np.sign(gradient), rtol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_method_changes_its_arguments_and_the_bytes_repeat(variant):
    model, train = Ncf(variant=variant, **SMALL), random_users(20, seed=8)
    state = trained(model, train)
    before = {name: array.copy() for name, array in state.items()}
    first, second = step(model, state, train), step(model, state, train)
    assert all(first[0][name].tobytes() == second[0][name].tobytes() for name in first[0])
    assert first[1].tobytes() == model.fold_in(state, train).tobytes()
    fused = model.fuse([first[0]], [1.0])
    sent = {name: array.copy() for name, array in fused.items()}
    model.apply(state, fused)
    model.scores(state, first[1])
    assert all(np.array_equal(state[name], before[name]) for name in state)
    assert all(np.array_equal(fused[name], sent[name]) for name in fused)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_user_without_items_scores_by_the_shared_part_alone(variant):
    model, train = Ncf(variant=variant, **SMALL), random_users(9, seed=9)
    state = trained(model, train)
    nobody = UserItems(
        np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int64), ITEMS
    )
    assert not model.fold_in(state, nobody).any()
    assert np.isfinite(step(model, state, nobody)[0]["item_factors"]).all()


def test_residuals_of_a_user_add_up_to_zero():
    train = random_users(5, seed=10)
    errors = residuals(rng().normal(0, 3, (5, ITEMS)).astype(np.float32), train)
    np.testing.assert_allclose(errors.sum(axis=1), 0, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_training_fits_better_than_popularity_does(variant):
    train = load_dataset("ml-latest-small-2016", None).interactions.take(np.arange(40))
    model = Ncf(variant=variant, factors=8, tower_factors=8, tower_widths=(8, 4), tower_learning_rate=0.05)
    state = trained(model, train, rounds=4)

    popular = {name: np.zeros_like(array) for name, array in state.items()}
    popular["item_bias"] = np.log(np.bincount(train.items, minlength=train.item_count) + 0.1).astype(np.float32)
    losses = [loss_of(model, each, train)[0].item() for each in (state, popular)]
    assert losses[0] < losses[1]


def test_federated_and_central_training_agree_on_real_data():
    dataset = load_dataset("ml-latest-small-2016", None)
    users = partition_users(dataset, 5, "even", 1)
    model = Ncf(variant="gmf", factors=8)
    state = model.initial_state(dataset.interactions.item_count, rng())
    updates = [step(model, state, dataset.interactions.take(part))[0] for part in users]
    federated = model.apply(state, model.fuse(updates, [1.0] * 5))
    central = model.apply(state, model.fuse([step(model, state, dataset.interactions)[0]], [1.0]))
    np.testing.assert_allclose(federated["item_bias"], central["item_bias"], rtol=1e-4, atol=1e-5)
    assert np.mean(np.abs(federated["item_factors"] - central["item_factors"]) > 1e-3) < 1e-3


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "svd"},
        {"factors": 0},
        {"tower_widths": ()},
        {"tower_widths": (0,)},
        {"display": 0.0},
        {"learning_rate": float("nan")},
        {"decay": -1.0},
    ],
)
def test_a_setting_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        Ncf(**wrong)


def test_gmf_needs_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from common.models.ncf import Ncf\n"
        "from common.data.user_items import UserItems\n"
        "z = np.zeros(2, np.int64)\n"
        "one = UserItems(np.array([0, 2]), np.array([1, 3], np.int32), np.ones(2, np.float32), z, 5)\n"
        "model = Ncf(variant='gmf', factors=2)\n"
        "state = model.initial_state(5, np.random.default_rng(0))\n"
        "update = model.local_step(state, one)[0]\n"
        "model.check_update(update, 5)\n"
        "model.apply(state, model.fuse([update], [1.0]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=".")
