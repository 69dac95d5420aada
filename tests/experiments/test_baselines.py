import numpy as np
import pytest

from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.splits import leave_one_out
from common.models import Ials
from experiments.baselines.array_rounds import measure, state_after
from experiments.baselines.central import central
from experiments.baselines.local_only import local_only
from experiments.baselines.popularity import Popularity, popularity

MODEL, ROUNDS = Ials(factors=32), 3


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("ml-latest-small-2016", None)


@pytest.fixture(scope="module")
def split(dataset):
    return leave_one_out(dataset, seed=1)


def test_popularity_scores_are_training_counts():
    counts = np.array([5, 1, 3], np.float32)
    scores = Popularity().scores({"counts": counts}, np.empty((2, 0), np.float32))
    assert scores.tolist() == [[5, 1, 3], [5, 1, 3]]


def test_federated_training_equals_central_and_beats_popularity_and_local_training(dataset, split):
    parts = partition_users(dataset, 10, "even", seed=1)
    clients = [split.train.take(users) for users in parts]
    state = state_after(ROUNDS, MODEL, clients, np.random.default_rng(1))
    federated = measure(MODEL, state, MODEL.fold_in(state, split.train), split)
    together = central(MODEL, split, ROUNDS, np.random.default_rng(1))
    alone = local_only(MODEL, split, parts, ROUNDS, np.random.default_rng(1))
    floor = popularity(split)
    for each in (federated, together, alone, floor):
        assert each.validation.users == each.test.users == np.count_nonzero(split.test >= 0)
    for part in ("validation", "test"):
        ndcg = [getattr(each, part).metrics["ndcg_at_10"] for each in (federated, together, alone, floor)]
        assert ndcg[0] == pytest.approx(ndcg[1], abs=0.003)
        assert ndcg[0] > ndcg[2] + 0.05
        assert ndcg[0] > ndcg[3] + 0.1


def test_one_client_alone_is_the_central_model(split):
    everybody = np.arange(split.train.user_count, dtype=np.int32)
    alone = local_only(MODEL, split, (everybody,), 1, np.random.default_rng(1))
    together = central(MODEL, split, 1, np.random.default_rng(1))
    assert alone.test.metrics == pytest.approx(together.test.metrics)


def test_measuring_a_group_of_users_is_measuring_those_users(split):
    state = state_after(1, MODEL, [split.train], np.random.default_rng(1))
    vectors = MODEL.fold_in(state, split.train)
    chosen = np.array([3, 5, 8], np.int32)
    some = measure(MODEL, state, vectors[chosen], split, chosen)
    assert some.test.users == np.count_nonzero(split.test[chosen] >= 0)
