import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.load import load_dataset
from common.data.partition import partition_users
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.models import Ials, Mf
from common.models.cohort import Cohort, cohort_step
from common.models.gmf_mlp import GmfMlp
from common.models.ncf import Ncf
from common.models.warm_start import WarmStart

ITEMS = 40
TOWER = {"tower_factors": 3, "tower_widths": (6, 4)}
MODELS = {
    "ials": Ials(factors=5),
    "mf": Mf(factors=4, prior_ratings=5.0, regularisation=0.05),
    "gmf": Ncf(variant="gmf", factors=5),
    "mlp": Ncf(variant="mlp", **TOWER),
    "neumf": Ncf(factors=5, **TOWER),
    "warm start": WarmStart(Ials(factors=5), Ncf(factors=5, **TOWER), 1),
    "joined": WarmStart(GmfMlp(Ncf("gmf", 5, **TOWER), Ncf("mlp", 5, **TOWER)), Ncf(factors=5, **TOWER), 1),
}
WITH_TOWER = ("mlp", "neumf", "warm start", "joined")


def random_users(users, rng):
    taken = rng.random((users, ITEMS)) < rng.uniform(0.02, 0.4, (users, 1))
    rows, columns = np.nonzero(taken)
    ratings = rng.integers(1, 11, len(rows)) / 2
    return UserItems.from_pairs(rows, columns, ratings, np.zeros(len(rows)), user_count=users, item_count=ITEMS)


def one_by_one(model, state, cohort):
    clients = [cohort.train.take(np.flatnonzero(cohort.client_of == k)) for k in range(len(cohort.weights))]
    return model.fuse([model.local_step(state, train)[0] for train in clients], cohort.weights.tolist())


def assert_same(together, apart, edges=False):
    """Compare to 1e-6; with `edges`, but for the few entries behind a ReLU whose input rounds across 0."""
    assert together.keys() == apart.keys()
    for name, wanted in apart.items():
        found = together[name]
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        # A gradient is a mean of errors up to 1 that cancel: the unit is an error, not the little that is left of them.
        unit = 0.0 if "gram" in apart else 1.0
        largest = float(np.max(np.abs(wanted), initial=unit))
        differences = np.abs(found.astype(np.float64) - wanted) / (largest or 1.0)
        assert np.count_nonzero(differences > 1e-6) <= (0.1 * differences.size if edges else 0), name
        assert np.all(differences <= 1e-2), name


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.integers(1, 40),
    clients=st.integers(1, 12),
    single=st.booleans(),
    silent=st.booleans(),
)
def test_a_cohort_in_one_step_is_its_clients_one_by_one(name, seed, users, clients, single, silent):
    """Whatever the partition (also one user each), the weights (also zero), and the round."""
    model, rng = MODELS[name], np.random.default_rng(seed)
    train = random_users(users, rng)
    clients = users if single else min(clients, users)
    client_of = rng.permutation(np.concatenate((np.arange(clients), rng.integers(0, clients, users - clients))))
    weights = rng.uniform(0.0, 3.0, clients)
    weights[rng.random(clients) < 0.2] = 0.0
    cohort = Cohort(train, client_of, np.zeros(clients) if silent else weights)
    state = model.initial_state(ITEMS, rng)
    for _ in range(3):
        apart = one_by_one(model, state, cohort)
        assert_same(cohort_step(model, state, cohort), apart, edges=name in WITH_TOWER)
        state = model.apply(state, apart)


@pytest.mark.parametrize("name", ["ials", "mf", "gmf"])
def test_a_cohort_of_the_bundled_data_in_one_step_is_its_clients_one_by_one(name):
    model = {"ials": Ials(), "mf": Mf(), "gmf": Ncf(variant="gmf")}[name]
    dataset = load_dataset("ml-latest-small-2016", None)
    train = leave_one_out(dataset, 1).train
    clients = [train.take(users) for users in partition_users(dataset, 20, "taste", 1)]
    cohort = Cohort.of(clients, np.random.default_rng(1).uniform(0.0, 2.0, 20))
    state = model.initial_state(train.item_count, np.random.default_rng(1))
    for _ in range(2):
        apart = model.fuse([model.local_step(state, own)[0] for own in clients], cohort.weights.tolist())
        assert_same(cohort_step(model, state, cohort), apart)
        state = model.apply(state, apart)


def test_clients_are_put_together_in_their_order():
    rng = np.random.default_rng(1)
    clients = [random_users(users, rng) for users in (3, 1, 2)]
    cohort = Cohort.of(clients, np.ones(3))
    assert cohort.client_of.tolist() == [0, 0, 0, 1, 2, 2]
    for client, train in enumerate(clients):
        own = cohort.train.take(np.flatnonzero(cohort.client_of == client))
        pairs = zip(own.to_arrays("").values(), train.to_arrays("").values(), strict=True)
        assert all(np.array_equal(found, wanted) for found, wanted in pairs)


def test_clients_of_different_catalogues_cannot_be_put_together():
    rng = np.random.default_rng(1)
    other = random_users(2, rng).to_arrays("a") | {"a_item_count": np.array(ITEMS + 1)}
    with pytest.raises(ValueError, match="one catalogue"):
        Cohort.of([random_users(2, rng), UserItems.from_arrays(other, "a")], np.ones(2))
