"""A predictor that learns nothing and counts its own sampled negatives must stay near chance.

With a sampler that leaves validation and test items out, as several published federated recommenders do, the test
item is the one rival that never shows up among the negatives: counting alone then finds it.
"""

from collections.abc import Callable

import numpy as np
import pytest

from common.data.dataset import Dataset
from common.data.movielens_csv import load_bundled
from common.data.negatives import sample_training_negatives
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.metrics import hit_ratio_at, ndcg_at, ranks
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.ncf_slots import SampledLoss
from tests.common.data.random_data import make_dataset

ITEMS, LEAST_HISTORY, ROUNDS, PER_POSITIVE = 400, 15, 60, 4

Sampler = Callable[[UserItems, int, int], np.ndarray]


def popular_corner_of_the_bundled_data() -> Dataset:
    """The 400 most rated movies and the users with at least 15 of them: every candidate is met in few rounds."""
    interactions = load_bundled().interactions
    popularity = np.bincount(interactions.items, minlength=interactions.item_count)
    items = np.sort(np.argsort(-popularity, kind="stable")[:ITEMS])
    chosen = np.isin(interactions.items, items)
    counts = np.bincount(interactions.users[chosen], minlength=interactions.user_count)
    users = np.flatnonzero((counts >= LEAST_HISTORY) & (counts <= ITEMS - 150))
    kept = chosen & np.isin(interactions.users, users)
    return make_dataset(
        UserItems.from_pairs(
            np.searchsorted(users, interactions.users[kept]),
            np.searchsorted(items, interactions.items[kept]),
            interactions.ratings[kept],
            interactions.timestamps[kept],
            user_count=users.size,
            item_count=ITEMS,
        )
    )


def ranks_by_counting(split: Split, sample: Sampler) -> np.ndarray:
    """Rank each test item by how seldom it was drawn as a negative, ties against it."""
    users = split.train.user_count
    drawn = np.zeros((users, ITEMS), dtype=np.int64)
    for number in range(ROUNDS):
        negatives = sample(split.train, PER_POSITIVE, number)
        np.add.at(drawn, (split.train.users[:, None], negatives), 1)
    scores = -drawn.astype(np.float32)
    rows = np.arange(users)
    rivals = scores[rows[:, None], split.candidates]
    return ranks(scores[rows, split.test], rivals, np.ones(rivals.shape, dtype=np.bool_))


def test_counting_ones_own_negatives_is_near_chance() -> None:
    split = leave_one_out(popular_corner_of_the_bundled_data(), 1)
    held_out_ranks = ranks_by_counting(split, sample_training_negatives)
    assert split.train.user_count > 400
    assert 0.04 < hit_ratio_at(10, held_out_ranks) < 0.16  # chance is 0.1, a standard deviation 0.014
    assert ndcg_at(10, held_out_ranks) < 0.08


def test_the_canary_catches_a_sampler_that_knows_the_held_out_items() -> None:
    dataset = popular_corner_of_the_bundled_data()
    split = leave_one_out(dataset, 1)

    def leaky(train: UserItems, per_positive: int, key: int) -> np.ndarray:
        everything = dataset.interactions
        negatives = sample_training_negatives(everything, per_positive, key)
        return negatives[train.contains(everything.users, everything.items)]

    assert hit_ratio_at(10, ranks_by_counting(split, leaky)) > 0.9


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_counting_the_rows_that_a_clients_updates_touch_is_near_chance(loss: SampledLoss) -> None:
    """Of clients of one user each: whatever they leave out of their updates, everybody who sees them can count."""
    split = leave_one_out(popular_corner_of_the_bundled_data(), 1)
    model = SampledNcf(loss=loss, ncf=Ncf(variant="gmf", factors=2, user_steps=1))
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    users = np.arange(120)
    touched = np.zeros((len(users), ITEMS), dtype=np.float32)
    for number in range(30):
        now = state | {"steps": np.array([number])}
        for user in users:
            update, _ = model.local_step(now, split.train.take(users[user : user + 1]))
            touched[user, update["row_ids"]] += update["counts"]
    rows = users[:, None]
    rivals = -touched[rows, split.candidates[users]]
    found = ranks(-touched[users, split.test[users]], rivals, np.ones(rivals.shape, dtype=np.bool_))
    assert hit_ratio_at(10, found) < 0.2  # chance is 0.1, a standard deviation 0.027
    own = split.train.take(users)
    assert np.all(touched[own.users, own.items] >= 30)  # what was counted are the updates of these users
