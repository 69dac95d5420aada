import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.user_items import UserItems
from common.errors import WrongUse
from common.models import Ials

MODEL = Ials(factors=5, alpha0=0.3, regularisation=0.02, kappa=2.0, momentum=0.3)


def random_users(seed, users=9, items=14, density=0.3):
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random((users, items)) < density)
    ones, zeros = np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)
    return UserItems.from_pairs(rows, columns, ones, zeros, user_count=users, item_count=items)


def random_state(seed, items=14, model=MODEL):
    rng = np.random.default_rng(seed)
    return {
        "item_factors": rng.normal(0, 0.6, (items, model.factors)).astype(np.float32),
        "momentum": rng.normal(0, 0.1, (items, model.factors)).astype(np.float32),
    }


def objective(model, user_vectors, item_factors, train):
    """L of the module's docstring, pair by pair, in float64."""
    users, items = train.user_count, train.item_count
    lengths = [len(train.items_of(user)) for user in range(users)]
    counts = [sum(item in train.items_of(user) for user in range(users)) for item in range(items)]
    total = 0.0
    for user in range(users):
        for item in range(items):
            score = float(np.dot(user_vectors[user], item_factors[item]))
            total += model.alpha0 * score**2
            if item in train.items_of(user):
                total += (1.0 - score) ** 2
    for user in range(users):
        total += model.regularisation * (lengths[user] + model.alpha0 * items) * np.sum(user_vectors[user] ** 2)
    for item in range(items):
        total += model.regularisation * (counts[item] + model.alpha0 * users) * np.sum(item_factors[item] ** 2)
    return total


def gradient_by_differences(function, point, width=1e-4):
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[index] = width
        gradient[index] = (function(point + step) - function(point - step)) / (2 * width)
    return gradient


def dense(update, items):
    residual = np.zeros((items, update["gram"].shape[0]))
    counts = np.zeros(items)
    residual[update["row_ids"]] = update["residual"]
    counts[update["row_ids"]] = update["counts"]
    return residual, counts


def exact_user_vectors(model, item_factors, train):
    """The same minimiser in float64, with the matrix inverted."""
    wide = item_factors.astype(np.float64)
    vectors = []
    for user in range(train.user_count):
        own = wide[train.items_of(user)]
        penalty = model.regularisation * (len(own) + model.alpha0 * len(wide))
        matrix = own.T @ own + model.alpha0 * wide.T @ wide + penalty * np.eye(model.factors)
        vectors.append(np.linalg.inv(matrix) @ own.sum(axis=0))
    return np.array(vectors)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_user_vectors_minimise_the_objective(seed):
    train, state = random_users(seed), random_state(seed)
    vectors = exact_user_vectors(MODEL, state["item_factors"], train)
    gradient = gradient_by_differences(lambda p: objective(MODEL, p, state["item_factors"], train), vectors)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    np.testing.assert_allclose(MODEL.fold_in(state, train), vectors, rtol=1e-5, atol=1e-5)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15)
def test_uploads_give_the_gradient_of_the_objective_with_respect_to_items(seed):
    train, state = random_users(seed), random_state(seed)
    update, vectors = MODEL.local_step(state, train)
    residual, counts = dense(update, train.item_count)
    items = state["item_factors"].astype(np.float64)
    penalty = MODEL.regularisation * (counts + MODEL.alpha0 * train.user_count)
    from_uploads = -2 * (residual - MODEL.alpha0 * items @ update["gram"] - penalty[:, None] * items)
    by_differences = gradient_by_differences(
        lambda q: objective(MODEL, vectors.astype(np.float64), q, train), items, width=1e-5
    )
    np.testing.assert_allclose(from_uploads, by_differences, rtol=1e-4, atol=2e-4)


def test_server_step_is_the_formula_of_its_docstring_item_by_item():
    train, state = random_users(3), random_state(4)
    update, _ = MODEL.local_step(state, train)
    residual, counts = dense(update, train.item_count)
    gram, users = update["gram"], train.user_count
    expected = state["item_factors"].astype(np.float64)
    for item, q in enumerate(state["item_factors"].astype(np.float64)):
        penalty = MODEL.regularisation * (counts[item] + MODEL.alpha0 * users)
        matrix = (MODEL.kappa * counts[item] / users + MODEL.alpha0) * gram + penalty * np.eye(5)
        step = np.linalg.solve(matrix, residual[item] - MODEL.alpha0 * gram @ q - penalty * q)
        expected[item] += MODEL.momentum * state["momentum"][item] + step
    applied = MODEL.apply(state, MODEL.fuse([update], [1.0]))
    np.testing.assert_allclose(applied["item_factors"], expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(applied["momentum"], expected - state["item_factors"], rtol=2e-5, atol=2e-5)


def test_rounds_lower_the_objective():
    train, state = random_users(1), MODEL.initial_state(14, np.random.default_rng(1))
    values = []
    for _ in range(12):
        update, vectors = MODEL.local_step(state, train)
        values.append(objective(MODEL, vectors, state["item_factors"], train))
        state = MODEL.apply(state, MODEL.fuse([update], [1.0]))
    assert values[-1] < 0.7 * values[0]
    assert values[-1] <= min(values) + 1e-3


def test_fold_in_gives_the_bytes_of_the_local_step():
    train, state = random_users(2, users=40), random_state(2)
    _, vectors = MODEL.local_step(state, train)
    assert MODEL.fold_in(state, train).tobytes() == vectors.tobytes()


def test_a_user_vector_does_not_depend_on_the_other_users_of_its_client():
    train, state = random_users(2, users=40), random_state(2)
    together = MODEL.fold_in(state, train)
    alone = [MODEL.fold_in(state, train.take(np.array([user]))) for user in range(40)]
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_the_same_input_gives_the_same_bytes():
    train, state = random_users(2, users=40), random_state(2)
    first, second = (MODEL.local_step(state, train)[0] for _ in range(2))
    assert {name: array.tobytes() for name, array in first.items()} == {
        name: array.tobytes() for name, array in second.items()
    }


def test_a_user_without_items_gets_zeros_and_counts_as_a_user():
    empty = random_users(0, users=3, density=0.0)
    update, vectors = MODEL.local_step(random_state(0), empty)
    assert not vectors.any()
    assert not update["gram"].any()
    assert update["users"].tolist() == [3]
    assert update["row_ids"].size == 0
    assert MODEL.example_count(update) == 0
    MODEL.check_update(update, empty.item_count)


def test_update_arrays_have_the_types_of_the_wire():
    update, vectors = MODEL.local_step(random_state(0), random_users(0))
    types = {name: array.dtype.str for name, array in update.items()}
    assert types == {"row_ids": "<u4", "residual": "<f4", "counts": "<u4", "gram": "<f8", "users": "<u4"}
    assert vectors.dtype == np.float32
    assert MODEL.example_count(update) == random_users(0).items.size


def test_no_method_changes_its_arguments():
    train, state = random_users(5), random_state(5)
    for array in (*state.values(), train.items, train.indptr):
        array.setflags(write=False)
    update, vectors = MODEL.local_step(state, train)
    for array in update.values():
        array.setflags(write=False)
    fused = MODEL.fuse([update, update], [1.0, 0.5])
    for array in fused.values():
        array.setflags(write=False)
    MODEL.apply(state, fused)
    MODEL.scores(state, vectors)


@given(seed=st.integers(0, 10_000), clients=st.integers(1, 9))
@settings(max_examples=25)
def test_many_clients_equal_one_client_up_to_rounding(seed, clients):
    train, state = random_users(seed), random_state(seed)
    groups = np.array_split(np.random.default_rng(seed).permutation(train.user_count), clients)
    updates = [MODEL.local_step(state, train.take(group))[0] for group in groups]
    together = MODEL.fuse([MODEL.local_step(state, train)[0]], [1.0])
    apart = MODEL.fuse(updates, [1.0] * clients)
    assert apart.keys() == together.keys()
    for name, array in together.items():
        assert apart[name].dtype == array.dtype
        np.testing.assert_allclose(apart[name], array, rtol=1e-5, atol=1e-5)
    shuffled = MODEL.fuse(updates[::-1], [1.0] * clients)
    for name, array in apart.items():
        np.testing.assert_allclose(shuffled[name], array, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        MODEL.apply(state, apart)["item_factors"], MODEL.apply(state, together)["item_factors"], rtol=1e-4, atol=1e-4
    )


@given(seed=st.integers(0, 10_000), shares=st.lists(st.floats(0, 5), min_size=3, max_size=3))
@settings(max_examples=25)
def test_fused_rows_are_the_weighted_sums(seed, shares):
    state = random_state(seed)
    updates = [MODEL.local_step(state, random_users(seed + k, users=2))[0] for k in range(3)]
    fused = MODEL.fuse(updates, shares)
    residual, counts = dense(fused, 14)
    rows = [dense(update, 14) for update in updates]
    pairs = list(zip(shares, rows, strict=True))
    np.testing.assert_allclose(residual, sum(share * row[0] for share, row in pairs), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(counts, sum(share * row[1] for share, row in pairs), rtol=1e-12)
    assert fused["users"][0] == pytest.approx(2 * sum(shares))
    assert np.all(np.diff(fused["row_ids"].astype(int)) > 0)


def test_an_update_of_no_weight_leaves_the_state():
    state = random_state(1)
    update, _ = MODEL.local_step(state, random_users(1))
    applied = MODEL.apply(state, MODEL.fuse([update], [0.0]))
    assert all(np.array_equal(applied[name], state[name]) for name in state)
    assert applied["item_factors"] is not state["item_factors"]


def test_fold_in_of_long_and_short_histories_matches_float64():
    model = Ials(factors=64)
    rng = np.random.default_rng(8)
    state = {"item_factors": rng.normal(0, 0.25, (500, 64)).astype(np.float32)}
    lengths = [0, 1, 2, 17, 63, 64, 65, 200, 500]
    items = [np.sort(rng.choice(500, length, replace=False)) for length in lengths]
    users = np.repeat(np.arange(len(lengths)), lengths)
    count = sum(lengths)
    train = UserItems.from_pairs(
        users, np.concatenate(items), np.ones(count), np.zeros(count, int), user_count=len(lengths), item_count=500
    )
    exact = exact_user_vectors(model, state["item_factors"], train)
    error = np.linalg.norm(model.fold_in(state, train) - exact, axis=1)
    assert np.all(error <= 1e-5 * np.linalg.norm(exact, axis=1))


def test_initial_scores_are_near_zero_and_follow_the_generator():
    state = MODEL.initial_state(14, np.random.default_rng(3))
    again = MODEL.initial_state(14, np.random.default_rng(3))
    assert state["item_factors"].tobytes() == again["item_factors"].tobytes()
    assert state["item_factors"].shape == (14, 5)
    assert state["item_factors"].dtype == state["momentum"].dtype == np.float32
    assert np.abs(state["item_factors"]).max() < 0.5
    assert not state["momentum"].any()


@pytest.mark.parametrize(
    ("hyperparameters", "said"),
    [
        ({"factors": 0}, "between 1 and 4096"),
        ({"alpha0": 0.0}, "alpha0"),
        ({"regularisation": float("nan")}, "regularisation"),
        ({"kappa": -1.0}, "kappa"),
        ({"momentum": 1.0}, "momentum"),
    ],
)
def test_a_model_that_cannot_be_built_is_wrong_use(hyperparameters, said):
    with pytest.raises(WrongUse, match=said):
        Ials(**hyperparameters)
