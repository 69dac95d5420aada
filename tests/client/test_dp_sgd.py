"""Noisy local steps: one test for each guarantee in the docstrings of the two files of DP-SGD."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import client.dp_sgd_network as network
from client.dp_sgd import DpSgdPlan, dp_sgd_update
from client.dp_sgd_network import NoisyTraining
from common.accounting import DpSgdRelease
from common.data.load import load_dataset
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.errors import CheckFailed, WrongUse
from common.evaluation import evaluate
from common.models.ncf import Ncf
from common.models.ncf_averaged import SHARED, AveragedNcf
from common.norms import joint_norm
from server.privacy_statement import epsilon_of

ITEMS, USERS, CANDIDATES = 12, 5, 4
VARIANTS = ("gmf", "neumf", "mlp")
PLAN = DpSgdPlan(
    noise_multiplier=1.5,
    clipping_norm=1.1,
    sample_rate=0.5,
    steps=3,
    batch_size=4.0,
    negatives=CANDIDATES - 1,
    user_learning_rate=0.3,
    item_learning_rate=1.1,
    bias_learning_rate=0.9,
    network_learning_rate=0.8,
    longest_user_vector=0.6,
)
ALIKE = replace(  # everything moves by the noisy sum itself
    PLAN,
    sample_rate=1.0,
    batch_size=1.0,
    user_learning_rate=1.0,
    item_learning_rate=1.0,
    bias_learning_rate=1.0,
    network_learning_rate=1.0,
    longest_user_vector=1e6,
)


class Silence:
    """In place of a generator: noise that is zero."""

    def normal(self, mean, stddev, shape):
        return np.zeros(shape)


def some_model(variant="neumf"):
    return AveragedNcf(Ncf(variant=variant, factors=3, tower_factors=2, tower_widths=(4, 3)))


def some_state(model, items=ITEMS, seed=1):
    """Random numbers everywhere, so that no gradient is zero by chance."""
    generator = np.random.default_rng(seed)
    layout = model.layout(items)
    return {name: generator.normal(0, 0.8, shape).astype(np.float32) for name, (_, shape) in layout.items()}


def some_examples(count=10, seed=2, users=USERS, items=ITEMS):
    """Few items, so that negatives meet each other and the item taken."""
    generator = np.random.default_rng(seed)
    candidates = generator.integers(0, items, (count, CANDIDATES))
    candidates[0, 1] = candidates[0, 0]
    candidates[1, 2] = candidates[1, 1]
    return generator.integers(0, users, count), candidates


def some_users(seed=3, users=8, items=ITEMS):
    rows, columns = np.nonzero(np.random.default_rng(seed).random((users, items)) < 0.4)
    ones = np.ones(len(rows), np.float32)
    return UserItems.from_pairs(rows, columns, ones, np.zeros(len(rows)), user_count=users, item_count=items)


def everything(training):
    """Users' vectors and the shared part."""
    return {"users": training._scores.users.weight.detach().numpy().copy(), **training.shared()}


def started(variant, plan=PLAN, entropy=None, users=USERS, items=ITEMS):
    model = some_model(variant)
    state = some_state(model, items)
    return NoisyTraining(model.ncf, state, users, plan, Silence() if entropy is None else entropy), state


def score(ncf, leaves, user, item):
    """One score, written out."""
    d = ncf.gmf_length
    own, other = leaves["users"][user], leaves["item_factors"][item]
    total = own[:d] @ other[:d] + leaves["item_bias"][item]
    if ncf.layout.size:
        last, start = torch.cat((own[d:], other[d:])), 0
        for width in ncf.tower_widths:
            weights = leaves["network"][start : start + width * len(last)].reshape(width, len(last))
            start += width * len(last)
            last = torch.relu(weights @ last + leaves["network"][start : start + width])
            start += width
        total = total + leaves["network"][start:] @ last
    return total


def clipped_gradient(ncf, arrays, user, candidates, clipping_norm):
    """One example's gradient by autograd, clipped over all arrays together. Returns it and its norm before."""
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    logits = torch.stack([score(ncf, leaves, user, item) for item in candidates])
    (-torch.log_softmax(logits, dim=0)[0]).backward()
    gradient = {
        name: np.zeros_like(arrays[name]) if leaf.grad is None else leaf.grad.numpy() for name, leaf in leaves.items()
    }
    norm = joint_norm(gradient, gradient)
    return {name: array * min(1.0, clipping_norm / norm) for name, array in gradient.items()}, norm


def slow_steps(ncf, state, plan, batches):
    """The same steps, one example after another, without noise. Returns all arrays and every norm."""
    arrays = {"users": np.zeros((USERS, state["item_factors"].shape[1]), np.float32), **state}
    norms = []
    for number, (users, candidates) in enumerate(batches):
        sums = {name: np.zeros_like(array) for name, array in arrays.items()}
        for example in zip(users, candidates, strict=True):
            gradient, norm = clipped_gradient(ncf, arrays, *example, plan.clipping_norm)
            norms.append(norm)
            sums = {name: sums[name] + gradient[name] for name in sums}
        later = number > 0
        rates = {
            "users": plan.user_learning_rate / plan.sample_rate,
            "item_factors": later * plan.item_learning_rate / plan.batch_size,
            "item_bias": plan.bias_learning_rate / plan.batch_size,
            "network": later * plan.network_learning_rate / plan.batch_size,
        }
        arrays = {name: (arrays[name] - rates[name] * sums[name]).astype(np.float32) for name in arrays}
        lengths = np.linalg.norm(arrays["users"], axis=1, keepdims=True)
        arrays["users"] = arrays["users"] * np.minimum(1, plan.longest_user_vector / np.maximum(lengths, 1e-30))
    return arrays, np.array(norms)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_module_scores_as_ncf_does(variant):
    training, _ = started(variant)
    for seed in (1, 2):
        training.step(*some_examples(seed=seed))
    now = everything(training)
    model = some_model(variant)
    wanted = model.scores({name: now[name] for name in SHARED}, now["users"])
    users, items = np.arange(USERS), np.tile(np.arange(ITEMS), (USERS, 1))
    with torch.no_grad():
        scores = training._scores(torch.tensor(users), torch.tensor(items)).numpy()
    np.testing.assert_allclose(scores, wanted, rtol=1e-5, atol=1e-5)
    assert now["users"].any()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("together", [3, 4096])
def test_steps_without_noise_are_those_taken_one_example_at_a_time(variant, together, monkeypatch):
    monkeypatch.setattr(network, "EXAMPLES_TOGETHER", together)
    batches = [some_examples(seed=seed) for seed in (1, 2, 3)]
    training, state = started(variant)
    for batch in batches:
        training.step(*batch)
    wanted, norms = slow_steps(some_model(variant).ncf, state, PLAN, batches)
    assert np.any(norms > PLAN.clipping_norm)
    assert np.any(norms < PLAN.clipping_norm)
    for name, array in everything(training).items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interaction_more_moves_everything_together_by_at_most_the_clipping_norm(variant):
    users, candidates = some_examples(count=12)
    moves = []
    for extra in range(2, 12):
        after = []
        for present in (np.arange(12) != extra, np.ones(12, bool)):
            training, _ = started(variant, ALIKE)
            training.step(*some_examples(seed=9))
            training.step(users[present], candidates[present])
            after.append(everything(training))
        difference = {name: after[1][name].astype(float) - after[0][name] for name in after[0]}
        moves.append(joint_norm(difference, difference))
    assert max(moves) <= ALIKE.clipping_norm * (1 + 1e-5)
    assert max(moves) > ALIKE.clipping_norm * (1 - 1e-3)


def test_noise_of_the_stated_variance_is_on_every_coordinate_touched_or_not():
    items, users = 3000, 400
    batch = some_examples(count=200, users=users // 2, items=items // 2)
    after = []
    for entropy in (None, np.random.default_rng(4)):
        training, _ = started("neumf", ALIKE, entropy, users, items)
        training.step(*batch)
        after.append(everything(training))
    stddev = ALIKE.noise_multiplier * ALIKE.clipping_norm
    touched = np.zeros(items, bool)
    touched[batch[1].ravel()] = True
    noise = {name: after[1][name].astype(float) - after[0][name] for name in after[0]}
    parts = (noise["item_bias"][touched], noise["item_bias"][~touched], noise["users"][:200], noise["users"][200:])
    for part in parts:
        # the variance of n normals has a relative standard deviation of sqrt(2 / n): these bounds are 6 of them
        slack = 6 * np.sqrt(2 / part.size)
        assert abs(part.var() / stddev**2 - 1) < slack
        assert abs(part.mean()) < 6 * stddev / np.sqrt(part.size)
    assert not noise["item_factors"].any()  # not moved by the first step
    assert not noise["network"].any()


def test_a_step_without_examples_is_one_of_noise_alone_on_the_whole_model():
    items = 3000
    training, _ = started("neumf", ALIKE, np.random.default_rng(5), USERS, items)
    nothing = (np.zeros(0, np.int64), np.zeros((0, CANDIDATES), np.int64))
    training.step(*some_examples(items=items))
    before = everything(training)
    training.step(*nothing)
    noise = {name: array.astype(float) - before[name] for name, array in everything(training).items()}
    stddev = ALIKE.noise_multiplier * ALIKE.clipping_norm
    for part in (noise["item_factors"], noise["item_bias"]):
        assert abs(part.var() / stddev**2 - 1) < 6 * np.sqrt(2 / part.size)
        assert abs(part.mean()) < 6 * stddev / np.sqrt(part.size)
    assert np.all(np.abs(np.corrcoef(noise["item_factors"].T) - np.eye(5)) < 6 / np.sqrt(items))
    assert all(part.all() for part in noise.values())


def test_a_sum_is_forgotten_when_its_step_is_taken():
    training, _ = started("gmf", ALIKE)
    nothing = (np.zeros(0, np.int64), np.zeros((0, CANDIDATES), np.int64))
    training.step(*some_examples())
    before = everything(training)
    training.step(*nothing)
    assert all(np.array_equal(array, before[name]) for name, array in everything(training).items())


def test_users_start_from_zero_and_are_no_longer_than_the_plan_says():
    training, _ = started("neumf", replace(PLAN, user_learning_rate=100.0), np.random.default_rng(6))
    assert not everything(training)["users"].any()
    training.step(*some_examples())
    np.testing.assert_allclose(np.linalg.norm(everything(training)["users"], axis=1), 0.6, rtol=1e-5)


def seen_by_the_steps(train, plan, monkeypatch, seed=7):
    """What `dp_sgd_update` gives to its steps."""
    seen = []
    monkeypatch.setattr(NoisyTraining, "step", lambda self, *batch: seen.append(batch))
    model = some_model()
    dp_sgd_update(model, some_state(model), train, plan, np.random.default_rng(seed))
    return seen


def test_every_interaction_is_one_example_with_its_own_item_first(monkeypatch):
    train = some_users()
    batches = seen_by_the_steps(train, replace(PLAN, sample_rate=1.0), monkeypatch)
    assert len(batches) == PLAN.steps
    for users, candidates in batches:
        assert np.array_equal(users, train.users)
        assert np.array_equal(candidates[:, 0], train.items)
        assert candidates.shape == (len(train.items), CANDIDATES)


def test_negatives_are_drawn_without_a_look_at_any_interaction(monkeypatch):
    plan = replace(PLAN, sample_rate=1.0)
    train = some_users()
    mirrored = ITEMS - 1 - train.items
    others = UserItems.from_pairs(
        train.users, mirrored, train.ratings, train.timestamps, user_count=train.user_count, item_count=ITEMS
    )
    assert not np.array_equal(train.items, others.items)
    for one, other in zip(
        seen_by_the_steps(train, plan, monkeypatch), seen_by_the_steps(others, plan, monkeypatch), strict=True
    ):
        assert np.array_equal(one[1][:, 1:], other[1][:, 1:])


def test_a_sample_holds_each_interaction_by_the_toss_of_its_own_coin(monkeypatch):
    train = some_users(users=200)
    batches = seen_by_the_steps(train, replace(PLAN, steps=200, sample_rate=0.3), monkeypatch)
    sizes = np.array([len(users) for users, _ in batches])
    count = len(train.items)
    assert abs(sizes.mean() - 0.3 * count) < 6 * np.sqrt(0.21 * count / 200)
    assert 0.6 < sizes.var() / (0.21 * count) < 1.6  # binomial, not a fixed size


def test_negatives_come_from_the_whole_catalogue_all_alike(monkeypatch):
    batches = seen_by_the_steps(some_users(users=200), replace(PLAN, steps=10, sample_rate=1.0), monkeypatch)
    counts = np.bincount(np.concatenate([candidates[:, 1:].ravel() for _, candidates in batches]), minlength=ITEMS)
    expected = counts.sum() / ITEMS
    assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected))


def test_the_update_is_short_enough_and_passes_the_model_s_check():
    train = some_users()
    for largest in (0.05, 1000.0):
        model = replace(some_model(), largest_move=largest)
        state = some_state(model)
        update = dp_sgd_update(model, state, train, PLAN, np.random.default_rng(8))
        model.check_update(update, ITEMS)
        assert set(update) == set(SHARED)
        if largest < 1:
            assert joint_norm(update, SHARED) == pytest.approx(largest, rel=1e-5)


def test_the_bytes_follow_from_the_generator_alone():
    model, train = some_model(), some_users()
    state = some_state(model)
    before = {name: array.copy() for name, array in state.items()}
    updates = []
    for torch_seed, seed in ((1, 8), (2, 8), (1, 9)):
        torch.manual_seed(torch_seed)
        updates.append(dp_sgd_update(model, state, train, PLAN, np.random.default_rng(seed)))
    assert all(updates[0][name].tobytes() == updates[1][name].tobytes() for name in SHARED)
    assert all(updates[0][name].tobytes() != updates[2][name].tobytes() for name in SHARED)
    assert all(np.array_equal(state[name], before[name]) for name in SHARED)


def test_a_client_without_interactions_sends_noise():
    model = some_model()
    nobody = some_users().take(np.zeros(0, np.int64))
    update = dp_sgd_update(model, some_state(model), nobody, PLAN, np.random.default_rng(8))
    assert all(update[name].all() for name in SHARED)


def test_a_model_with_a_number_that_is_not_finite_is_not_trained():
    model = some_model()
    state = some_state(model)
    state["item_bias"][3] = np.nan
    with pytest.raises(CheckFailed, match="not finite"):
        dp_sgd_update(model, state, some_users(), PLAN, np.random.default_rng(8))


def test_steps_that_are_too_long_end_in_no_update():
    model = some_model()
    plan = replace(PLAN, item_learning_rate=1e38, bias_learning_rate=1e38)
    with pytest.raises(CheckFailed, match="not finite"):
        dp_sgd_update(model, some_state(model), some_users(), plan, np.random.default_rng(8))


def test_little_noise_leaves_a_model_that_ranks_better():
    dataset = load_dataset("ml-latest-small-2016", None)
    split = leave_one_out(dataset, 1)
    users = np.arange(60)
    train, held_out, candidates = split.train.take(users), split.validation[users], split.candidates[users]
    model = AveragedNcf(Ncf(variant="gmf", factors=8))
    plan = DpSgdPlan(noise_multiplier=1e-3, steps=6, batch_size=len(train.items))
    states = [model.initial_state(train.item_count, np.random.default_rng(1))]
    for server_round in range(2):
        update = dp_sgd_update(model, states[-1], train, plan, np.random.default_rng(server_round))
        states.append(model.apply(states[-1], model.fuse([update], [1.0])))
    before, after = (
        evaluate(model, state, model.fold_in(state, train), train, held_out, candidates).metrics["ndcg_at_10"]
        for state in (states[0], states[-1])
    )
    assert after > before + 0.1


def test_a_round_is_the_release_that_opacus_counts():
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    for _ in range(2 * PLAN.steps):
        accountant.step(noise_multiplier=PLAN.noise_multiplier, sample_rate=PLAN.sample_rate)
    assert PLAN.release == DpSgdRelease(1.5, 0.5, 3)
    assert accountant.history == [(1.5, 0.5, 6)]
    bound = epsilon_of([PLAN.release.repeated(2)], 1e-5).value
    assert bound == pytest.approx(accountant.get_epsilon(1e-5, eps_error=0.01), abs=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"clipping_norm": 0.0},
        {"clipping_norm": float("inf")},
        {"sample_rate": 0.0},
        {"sample_rate": 1.1},
        {"steps": 0},
        {"negatives": 0},
        {"batch_size": float("nan")},
        {"user_learning_rate": -1.0},
        {"network_learning_rate": 0.0},
        {"longest_user_vector": 0.0},
    ],
)
def test_a_plan_out_of_range_is_wrong_use(wrong):
    with pytest.raises(WrongUse):
        DpSgdPlan(**wrong)


def test_torch_and_opacus_wait_until_a_step_is_taken():
    code = (
        "import sys, client.dp_sgd, common.models.ncf_averaged\n"
        "client.dp_sgd.DpSgdPlan()\n"
        "assert not {'torch', 'opacus'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=".")
