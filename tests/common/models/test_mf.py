from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.privacy import noisy_release
from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models.mf import Mf
from common.models.noisy_checks import NoisyRules
from common.rating_metrics import rating_errors

ITEMS = 30
MODEL = Mf(factors=4, prior_ratings=5.0, regularisation=0.05)
STATE_ARRAYS = {"item_factors", "item_bias", "mean", "momentum"}


def random_ratings(users, seed, items=ITEMS, least=0.5, greatest=5.0):
    """Ratings of two tastes, some users without any."""
    rng = np.random.default_rng(seed)
    rated = rng.random((users, items)) < rng.uniform(0.0, 0.6, (users, 1))
    rows, columns = np.nonzero(rated)
    taste = np.where((rows + columns) % 2, 0.25, -0.25) + rng.normal(0.0, 0.15, len(rows))
    ratings = least + (greatest - least) * np.clip(0.6 + taste, 0.0, 1.0)
    zeros = np.zeros(len(rows))
    return UserItems.from_pairs(rows, columns, ratings, zeros, user_count=users, item_count=items)


def trained(model, train, rounds=3):
    state = model.initial_state(train.item_count, np.random.default_rng(7))
    for _ in range(rounds):
        state = model.apply(state, model.fuse([model.local_step(state, train)[0]], [1.0]))
    return state


def errors_of(model, state, vectors, train):
    """t - mu - b_u - b_i - p_u.q_i in float64, one by one."""
    least, greatest = model.rating_range
    factors, biases, mean = (state[name].astype(np.float64) for name in ("item_factors", "item_bias", "mean"))
    targets = (train.ratings.astype(np.float64) - least) / (greatest - least)
    products = np.einsum("nd,nd->n", vectors[train.users, :-1], factors[train.items])
    return targets - mean[0] - vectors[train.users, -1] - biases[train.items] - products


def best_users(model, state, train):
    """Every user's ridge regression in float64, one at a time."""
    factors, biases = state["item_factors"].astype(np.float64), state["item_bias"].astype(np.float64)
    least, greatest = model.rating_range
    targets = (train.ratings.astype(np.float64) - least) / (greatest - least) - float(state["mean"][0])
    vectors = np.zeros((train.user_count, model.factors + 1))
    for user in range(train.user_count):
        own = slice(train.indptr[user], train.indptr[user + 1])
        x = np.column_stack((factors[train.items[own]], np.ones(train.counts[user])))
        penalty = np.full(model.factors + 1, model.regularisation * (train.counts[user] + model.prior_ratings))
        penalty[-1] = model.bias_regularisation
        y = targets[own] - biases[train.items[own]]
        vectors[user] = np.linalg.solve(x.T @ x + np.diag(penalty), x.T @ y)
    return vectors


def objective(model, state, train):
    """min over the users of L without the items' penalties, in float64."""
    vectors = best_users(model, state, train)
    errors = errors_of(model, state, vectors, train)
    penalties = model.regularisation * (train.counts + model.prior_ratings) * (vectors[:, :-1] ** 2).sum(axis=1)
    penalties += model.bias_regularisation * vectors[:, -1] ** 2
    return 0.5 * (errors**2).sum() + 0.5 * penalties.sum()


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_users_are_the_solutions_of_their_ridge_regressions(seed, users):
    train = random_ratings(users, seed)
    state = trained(MODEL, train)
    np.testing.assert_allclose(MODEL.fold_in(state, train), best_users(MODEL, state, train), atol=2e-6)


def test_the_update_is_the_gradient_of_the_objective_whose_users_follow():
    train = random_ratings(9, seed=3)
    state = {name: array.astype(np.float64) for name, array in trained(MODEL, train).items()}
    single = {name: array.astype(np.float32) for name, array in state.items()}
    update = MODEL.local_step(single, train)[0]

    def slope(name, index, step=1e-4):
        ends = []
        for sign in (1, -1):
            moved = state[name].copy()
            moved[index] += sign * step
            ends.append(objective(MODEL, state | {name: moved}, train))
        return (ends[0] - ends[1]) / (2 * step)

    for row, item in enumerate(update["row_ids"]):
        count = update["counts"][row]
        assert count == np.count_nonzero(train.items == item)
        assert update["item_bias"][row] * count == pytest.approx(slope("item_bias", item), abs=1e-5)
        for column in range(MODEL.factors):
            expected = slope("item_factors", (item, column))
            assert update["item_factors"][row, column] * count == pytest.approx(expected, abs=1e-5)
    assert update["mean"][0] * update["users"][0] == pytest.approx(slope("mean", 0), abs=1e-5)


def test_the_gradient_of_the_mean_is_what_the_users_biases_lack():
    train = random_ratings(9, seed=3)
    update, vectors = MODEL.local_step(trained(MODEL, train), train)
    assert update["mean"][0] == pytest.approx(-MODEL.bias_regularisation * vectors[:, -1].mean(), abs=1e-6)


def test_rows_are_the_rated_items_ascending():
    train = random_ratings(5, seed=1)
    update = MODEL.local_step(trained(MODEL, train), train)[0]
    assert update["row_ids"].tolist() == sorted(set(train.items.tolist()))
    assert MODEL.example_count(update) == len(train.items)


@given(st.integers(0, 2**32), st.integers(2, 4))
def test_clients_of_equal_weight_are_one_client_with_all_users(seed, clients):
    train = random_ratings(4 * clients, seed)  # equally many users each, as mu is fused by weight alone
    state = trained(MODEL, train)
    groups = np.arange(4 * clients).reshape(clients, 4)
    updates = [MODEL.local_step(state, train.take(group))[0] for group in groups]
    fused = MODEL.fuse(updates, [1.0] * clients)
    whole = MODEL.fuse([MODEL.local_step(state, train)[0]], [1.0])
    np.testing.assert_array_equal(fused["row_ids"], whole["row_ids"])
    for name in ("item_factors", "item_bias", "counts", "mean", "users"):
        np.testing.assert_allclose(fused[name], whole[name], rtol=1e-4, atol=1e-6)
    for name, array in MODEL.apply(state, fused).items():
        np.testing.assert_allclose(array, MODEL.apply(state, whole)[name], rtol=1e-4, atol=1e-5)


def test_a_row_is_averaged_by_weight_times_count_over_the_clients_that_touched_it():
    state = MODEL.initial_state(ITEMS, np.random.default_rng(0))
    train = random_ratings(12, seed=5)
    updates = [MODEL.local_step(state, train.take(group))[0] for group in np.array_split(np.arange(12), 3)]
    weights = [0.5, 2.0, 0.25]
    fused = MODEL.fuse(updates, weights)
    for at, item in enumerate(fused["row_ids"]):
        parts = []
        for update, weight in zip(updates, weights, strict=True):
            for row in np.flatnonzero(update["row_ids"] == item):
                parts.append((weight * update["counts"][row], update["item_factors"][row], update["item_bias"][row]))
        shares = np.array([share for share, _, _ in parts])
        assert fused["counts"][at] == pytest.approx(shares.sum())
        expected = sum(share * row for share, row, _ in parts) / shares.sum()
        np.testing.assert_allclose(fused["item_factors"][at], expected, rtol=1e-5, atol=1e-8)
        expected = sum(share * bias for share, _, bias in parts) / shares.sum()
        assert fused["item_bias"][at] == pytest.approx(expected, rel=1e-5)
    expected = sum(weight * update["mean"][0] for update, weight in zip(updates, weights, strict=True)) / sum(weights)
    assert fused["mean"][0] == pytest.approx(expected, rel=1e-6)


def test_the_server_steps_as_its_formulas_say():
    train = random_ratings(8, seed=2)
    state = trained(MODEL, train)
    update = MODEL.local_step(state, train)[0]
    stepped = MODEL.apply(state, MODEL.fuse([update], [1.0]))
    lam, rate, kb = MODEL.regularisation, MODEL.learning_rate, MODEL.bias_regularisation
    mean = state["mean"][0] - update["mean"][0] / kb
    assert stepped["mean"][0] == pytest.approx(mean, rel=1e-6)
    for row, item in enumerate(update["row_ids"]):
        n = float(update["counts"][row])
        penalty = lam * (n + MODEL.prior_ratings)
        step = -(n * update["item_factors"][row] + penalty * state["item_factors"][item]) / (n / rate + penalty)
        momentum = MODEL.momentum * state["momentum"][item] + step
        np.testing.assert_allclose(stepped["momentum"][item], momentum, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(stepped["item_factors"][item], state["item_factors"][item] + momentum, atol=1e-6)
        bias = state["item_bias"][item] - (n * update["item_bias"][row] + kb * state["item_bias"][item]) / (n + kb)
        assert stepped["item_bias"][item] == pytest.approx(min(max(bias, -mean), 1 - mean), abs=1e-6)
    untouched = np.setdiff1d(np.arange(ITEMS), update["row_ids"])
    for name in ("item_factors", "momentum"):
        np.testing.assert_array_equal(stepped[name][untouched], state[name][untouched])


def test_nothing_fused_changes_nothing():
    state = trained(MODEL, random_ratings(8, seed=2))
    nobody = MODEL.local_step(state, random_ratings(8, seed=2).take(np.arange(0)))[0]
    somebody = MODEL.local_step(state, random_ratings(8, seed=2))[0]
    for fused in (MODEL.fuse([nobody], [1.0]), MODEL.fuse([somebody], [0.0])):
        stepped = MODEL.apply(state, fused)
        assert set(stepped) == STATE_ARRAYS
        for name, array in stepped.items():
            np.testing.assert_array_equal(array, state[name])


def test_fold_in_is_the_second_value_of_local_step_and_no_argument_changes():
    train = random_ratings(20, seed=4)
    state = trained(MODEL, train)
    kept = {name: array.copy() for name, array in state.items()}
    update, vectors = MODEL.local_step(state, train)
    again, _ = MODEL.local_step(state, train)
    assert vectors.tobytes() == MODEL.fold_in(state, train).tobytes()
    assert {name: array.tobytes() for name, array in update.items()} == {
        name: array.tobytes() for name, array in again.items()
    }
    sent = {name: array.copy() for name, array in update.items()}
    fused = MODEL.fuse([update, update], [1.0, 0.5])
    fused_before = {name: array.copy() for name, array in fused.items()}
    MODEL.apply(state, fused)
    for before, after in ((kept, state), (sent, update), (fused_before, fused)):
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array)


def test_scores_are_predicted_ratings_and_are_not_cut():
    train = random_ratings(20, seed=4)
    state = trained(MODEL, train)
    vectors = MODEL.fold_in(state, train)
    scores = MODEL.scores(state, vectors)
    assert scores.shape == (20, ITEMS)
    errors = errors_of(MODEL, state, vectors, train) * 4.5
    np.testing.assert_allclose(scores[train.users, train.items], train.ratings - errors, atol=1e-5)
    vectors[0, -1] = 3.0
    assert MODEL.scores(state, vectors)[0].min() > 5.0


def test_a_user_without_ratings_gets_zeros_and_the_items_average():
    state = trained(MODEL, random_ratings(20, seed=4))
    nobody = random_ratings(3, seed=4).take(np.arange(0))
    stranger = replace(nobody, indptr=np.zeros(2, dtype=np.int64))
    vectors = MODEL.fold_in(state, stranger)
    assert not vectors.any()
    np.testing.assert_allclose(MODEL.scores(state, vectors)[0], 0.5 + 4.5 * (state["mean"] + state["item_bias"]), 1e-6)


@pytest.mark.parametrize(("least", "greatest"), [(1.0, 10.0), (-1.0, 1.0)])
def test_another_range_of_ratings_is_the_same_model_in_other_units(least, greatest):
    stars = random_ratings(12, seed=6)
    points = replace(stars, ratings=(least + (stars.ratings - 0.5) / 4.5 * (greatest - least)).astype(np.float32))
    other = replace(MODEL, least_rating=least, greatest_rating=greatest)
    ours, theirs = trained(MODEL, stars), trained(other, points)
    for name in STATE_ARRAYS:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-4)


@given(st.floats(1e-3, 1e30), st.integers(0, 2**32))
def test_no_noise_makes_the_server_step_grow_from_round_to_round(scale, seed):
    rng = np.random.default_rng(seed)
    state = MODEL.initial_state(ITEMS, rng)
    public = MODEL.noisy_form(ITEMS, 1.0).public
    for _ in range(5):
        noisy = {
            name: np.clip(rng.normal(0.0, scale, shape), -3e38, 3e38).astype(dtype)
            for name, (dtype, shape) in MODEL.noisy_form(ITEMS, 1.0).noisy.items()
        }
        state = MODEL.apply(state, MODEL.fuse([noisy | public] * 3, [1.0, 2.0, 0.5]))
        assert all(np.isfinite(array).all() for array in state.values())
        assert np.linalg.norm(state["item_factors"], axis=1).max() <= MODEL.longest_vector * 1.001
        assert 0 <= state["mean"][0] <= 1
        level = state["mean"][0] + state["item_bias"]
        assert -1e-6 <= level.min() <= level.max() <= 1 + 1e-6


def test_an_update_with_noise_passes_the_rules_of_its_form_and_says_nothing_but_noise():
    train = random_ratings(8, seed=2)
    state = trained(MODEL, train)
    update = MODEL.local_step(state, train)[0]
    form = MODEL.noisy_form(ITEMS, 2.0)
    released = noisy_release(update, form, ITEMS, 2.0, 0.5, np.random.default_rng(1))
    NoisyRules(form, 2.0, 0.5).check(released)
    assert released["item_factors"].shape == (ITEMS, MODEL.factors)
    assert released["row_ids"].tolist() == list(range(ITEMS))
    assert MODEL.example_count(released) == ITEMS
    quiet = noisy_release(update, form, ITEMS, 1e3, 1e-9, np.random.default_rng(1))
    np.testing.assert_allclose(quiet["item_factors"][update["row_ids"]], update["item_factors"], atol=1e-5)
    np.testing.assert_allclose(quiet["mean"], update["mean"], atol=1e-5)
    stepped = MODEL.apply(state, MODEL.fuse([released], [5.0]))
    assert all(np.isfinite(array).all() for array in stepped.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"factors": 0},
        {"regularisation": 0.0},
        {"learning_rate": float("inf")},
        {"prior_ratings": -1.0},
        {"bias_regularisation": float("nan")},
        {"momentum": 1.0},
        {"least_rating": 5.0},
        {"greatest_rating": float("inf")},
    ],
)
def test_a_hyper_parameter_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        Mf(**wrong)


def test_the_defaults_beat_biases_alone_on_real_data():
    dataset = load_dataset("ml-latest-small-2016", None)
    split = leave_one_out(dataset, seed=1)
    clients = [split.train.take(users) for users in partition_users(dataset, 5, "even", 1)]

    def rmse(model, rounds):
        state = model.initial_state(split.train.item_count, np.random.default_rng(1))
        for _ in range(rounds):
            updates = [model.local_step(state, train)[0] for train in clients]
            state = model.apply(state, model.fuse(updates, [1.0] * 5))
        vectors = model.fold_in(state, split.train)
        return rating_errors(model, state, vectors, split.validation, split.validation_ratings)["mse"] ** 0.5

    biases_alone = rmse(replace(Mf(factors=1), regularisation=1e3), 8)
    assert biases_alone == pytest.approx(0.95, abs=0.01)
    assert rmse(Mf(), 5) < biases_alone - 0.01
