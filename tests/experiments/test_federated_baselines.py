"""FedAvg, its robust forms and trust by accuracy: what each server does with the updates it gets."""

import numpy as np
import pytest

from common.config import Settings
from common.errors import WrongUse
from common.models import Ials
from common.models.mf import Mf
from common.models.ncf import Ncf
from experiments.baselines import als, ease, item_knn, pure_svd
from experiments.baselines.accuracy_trust import AccuracyTrust, accuracy_trust
from experiments.baselines.fedavg import fedavg
from experiments.baselines.methods import METHODS
from experiments.baselines.robust_fedavg import robust
from experiments.baselines.task import Task

MODELS = [Ials(factors=8), Ncf(variant="gmf", factors=8), Mf(factors=8)]


@pytest.fixture(scope="module")
def task():
    return Task.of(Settings(factors=8, rounds=2, clients=5), None)


def unweighted(model, state, updates):
    return model.apply(state, model.fuse(updates, [1.0] * len(updates)))


def begun(model, task):
    state = model.initial_state(task.split.train.item_count, np.random.default_rng(1))
    return state, [model.local_step(state, train)[0] for train in task.clients]


def distance(one, other):
    return max(float(np.abs(one[name].astype(float) - other[name]).max(initial=0)) for name in one)


def test_fedavg_of_sums_is_their_sum_and_of_means_weighs_by_examples(task):
    sums, means = MODELS[0], MODELS[1]
    state, updates = begun(sums, task)
    assert distance(fedavg(sums, state, updates), unweighted(sums, state, updates)) == 0
    state, updates = begun(means, task)
    counts = np.array([means.example_count(update) for update in updates], float)
    expected = means.apply(state, means.fuse(updates, (len(updates) * counts / counts.sum()).tolist()))
    assert distance(fedavg(means, state, updates), expected) < 1e-6
    assert distance(fedavg(means, state, updates), unweighted(means, state, updates)) > 1e-4


@pytest.mark.parametrize("rule", ["median", "trimmed-mean"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_where_all_clients_send_the_same_a_robust_rule_changes_nothing(task, model, rule):
    state, updates = begun(model, task)
    same = [updates[0]] * 5
    assert distance(robust(rule)(model, state, same), unweighted(model, state, same)) < 1e-5


def test_trust_follows_accuracy_and_weighs_the_updates(task):
    model = MODELS[0]
    state, updates = begun(model, task)
    state = unweighted(model, state, updates)
    updates = [model.local_step(state, train)[0] for train in task.clients]
    updates[2] = updates[2] | {"residual": -20 * updates[2]["residual"]}
    server = AccuracyTrust(task.probe, smoothing=0.5)
    fused = server(model, state, updates)
    first = server.trust.copy()
    assert np.argmin(first) == 2
    assert np.all((first > 0) & (first < 0.5))  # half of an accuracy below 1, as nobody begins with any
    expected = model.apply(state, model.fuse(updates, (5 * first / first.sum()).tolist()))
    assert distance(fused, expected) < 1e-6
    server(model, state, updates)
    assert server.trust == pytest.approx(1.5 * first)


def test_a_client_that_does_nothing_keeps_its_trust_where_nobody_gains(task):
    model = MODELS[0]
    state, updates = begun(model, task)
    for _ in range(6):
        state = unweighted(model, state, updates)
        updates = [model.local_step(state, train)[0] for train in task.clients]
    idle = {name: array if name == "row_ids" else np.zeros_like(array) for name, array in updates[0].items()}
    server = AccuracyTrust(task.probe, smoothing=0.0)
    server(model, state, [idle, *updates[1:]])
    assert server.trust[0] > 0.7 * server.trust[1:].mean()


def test_trust_by_accuracy_refuses_a_model_without_hits():
    with pytest.raises(WrongUse, match="which a model of ratings does not have"):
        accuracy_trust(Task.of(Settings(model="mf", factors=8, rounds=1), None))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_measures_the_same_users(name, task, monkeypatch):
    monkeypatch.setattr(item_knn, "SIMILARITIES", ("BM25",))
    monkeypatch.setattr(item_knn, "NEIGHBOURS", (100,))
    monkeypatch.setattr(pure_svd, "FACTORS", (16, 100_000))
    monkeypatch.setattr(ease, "REGULARISATIONS", (400,))
    monkeypatch.setattr(als, "FACTORS", (16,))
    monkeypatch.setattr(als, "ALPHAS", (5.0,))
    monkeypatch.setattr(als, "REGULARISATIONS", (20.0,))
    measured = METHODS[name](task)
    assert measured.test.users == measured.validation.users == np.count_nonzero(task.split.test >= 0)
    floor = METHODS["popularity"](task).test.metrics["ndcg_at_10"]
    assert measured.test.metrics["ndcg_at_10"] >= floor * 0.9  # two rounds of eight factors
    assert bool(measured.setting) == (name in ("item-kNN", "PureSVD", "EASE", "ALS (implicit)"))


def test_a_task_that_trains_on_validation_items_chooses_without_them():
    task = Task.of(Settings(train_on_validation=True), None)
    assert np.all(task.split.validation < 0)
    assert np.array_equal(task.split.test, task.tuning.test)
    assert np.array_equal(task.split.candidates, task.tuning.candidates)
    users = np.flatnonzero(task.tuning.validation >= 0)
    assert users.size
    assert not task.tuning.train.contains(users, task.tuning.validation[users]).any()
    assert task.split.train.contains(users, task.tuning.validation[users]).all()
