from pathlib import Path

import numpy as np
import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from common.data.array_file import load_arrays, save_arrays
from common.data.movielens_csv import load_bundled
from common.data.probe import ProbeShard, draw_probe_pool, load_probe_pool, save_probe_pool
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from common.errors import WrongUse
from tests.common.data.random_data import make_rows, rows, with_ratings


def pairs_of(interactions: UserItems) -> set[tuple[int, int]]:
    return set(zip(interactions.users.tolist(), interactions.items.tolist(), strict=True))


@given(
    rows(users=(4, 30), longest=60),
    st.integers(1, 4),
    st.integers(1, 25),
    st.floats(0.01, 1),
    st.integers(0, 2**40),
)
def test_shards_are_full_public_histories_and_what_was_taken_out_of_training(
    train: UserItems, shards: int, pairs: int, share: float, seed: int
) -> None:
    train = with_ratings(train)
    try:
        pool, rest = draw_probe_pool(train, shards, pairs, share, seed)
    except WrongUse:
        # a volunteer's last items may not fit into a full shard, at most a third of 60 in each
        assert int((train.counts // 3).sum()) < shards * (pairs + 20)
        return
    assert len(pool) == shards
    taken = pairs_of(train) - pairs_of(rest)
    assert pairs_of(rest) < pairs_of(train)
    assert len(taken) == shards * pairs
    histories = {
        frozenset(train.items_of(user).tolist()): user for user in range(train.user_count) if train.counts[user]
    }
    volunteers = []
    for shard in pool:
        assert shard.held_out_items.size == shard.held_out_ratings.size == pairs
        for row in range(shard.histories.user_count):
            left = set(shard.histories.items_of(row).tolist())
            held_out = set(shard.held_out_items[shard.held_out_users == row].tolist())
            user = histories[frozenset(left | held_out)]
            volunteers.append(user)
            assert 0 < len(held_out) <= len(left | held_out) / 3
            assert {(user, item) for item in held_out} <= taken
            of_row = shard.held_out_users == row
            asked = shard.held_out_items[of_row]
            expected = train.ratings_of(np.full(asked.size, user), asked)
            np.testing.assert_array_equal(shard.held_out_ratings[of_row], expected)
    assert len(set(volunteers)) == len(volunteers)


def test_a_seed_repeats_and_another_differs() -> None:
    train = leave_one_out(load_bundled(), 1).train
    first, again, other = (draw_probe_pool(train, 5, 200, 0.1, seed)[0] for seed in (1, 1, 2))
    assert [shard.digest() for shard in first] == [shard.digest() for shard in again]
    assert len({shard.digest() for shard in (*first, *other)}) == 10


def test_no_validation_or_test_item_is_in_the_pool() -> None:
    split = leave_one_out(load_bundled(), 1)
    pool, rest = draw_probe_pool(split.train, 5, 200, 0.1, 1)
    everybody = np.arange(671)
    for held_out in (split.validation, split.test):
        assert not rest.contains(everybody, held_out).any()
    taken = pairs_of(split.train) - pairs_of(rest)
    assert sum(shard.held_out_items.size for shard in pool) == len(taken) == 1000


def test_few_volunteers_give_ten_to_twenty_items_each() -> None:
    train = make_rows([dict.fromkeys(range(90), 0)] * 200, 130)
    for share, each in ((0.02, 20), (0.1, 10), (1.0, 10)):
        (shard,), _ = draw_probe_pool(train, 1, 200, share, 1)
        assert np.bincount(shard.held_out_users).tolist() == [each] * (200 // each)


def test_more_users_are_asked_where_the_volunteers_are_too_few() -> None:
    train = make_rows([dict.fromkeys(range(60), 0)] * 50, 130)
    pool, _ = draw_probe_pool(train, 4, 200, 0.02, 1)
    assert [shard.histories.user_count for shard in pool] == [10] * 4
    pool, _ = draw_probe_pool(make_rows([dict.fromkeys(range(120), 0)] * 5, 130), 1, 200, 0.02, 1)
    assert pool[0].histories.user_count == 5  # a full third of 120 each


@pytest.mark.parametrize(
    ("shards", "pairs", "share", "message"),
    [
        (2, 200, 0.1, "2 users can give 40 probe pairs"),
        (0, 200, 0.1, "at least one shard"),
        (1, 0, 0.1, "at least one shard"),
        (1, 10, 0.0, "volunteer share"),
        (1, 10, 1.1, "volunteer share"),
        (1, 10, float("nan"), "volunteer share"),
    ],
)
def test_an_impossible_pool_is_wrong_use(shards: int, pairs: int, share: float, message: str) -> None:
    train = make_rows([dict.fromkeys(range(60), 0)] * 2, 130)
    with pytest.raises(WrongUse, match=message):
        draw_probe_pool(train, shards, pairs, share, 1)


def test_a_pool_survives_its_file_with_its_digests(tmp_path: Path) -> None:
    pool, _ = draw_probe_pool(leave_one_out(load_bundled(), 1).train, 3, 200, 0.1, 1)
    save_probe_pool(tmp_path / "pool.npz", pool)
    assert [shard.digest() for shard in load_probe_pool(tmp_path / "pool.npz")] == [shard.digest() for shard in pool]


def small_shard(items: list[int], rating: float = 2.5) -> ProbeShard:
    held_out = np.array(items, dtype=np.int32)
    ratings = np.full(held_out.size, rating, dtype=np.float32)
    return ProbeShard(make_rows([{0: 7, 2: 0}, {1: 1}], 5), np.zeros_like(held_out), held_out, ratings)


def test_a_digest_is_the_keccak_of_the_documented_bytes() -> None:
    # magic; 2 users, 3 interactions, 1 pair, 5 items; then each array by hand
    sizes = bytes.fromhex("0200000000000000030000000000000001000000000000000500000000000000")
    indptr = bytes.fromhex("000000000000000002000000000000000300000000000000")
    items, ratings = bytes.fromhex("000000000200000001000000"), bytes.fromhex("0000803f" * 3)
    times = bytes.fromhex("070000000000000000000000000000000100000000000000")
    held_out = bytes.fromhex("0000000003000000") + bytes.fromhex("00002040")
    expected = keccak(b"TFRSPRB2" + sizes + indptr + items + ratings + times + held_out)
    assert small_shard([3]).digest() == expected
    assert small_shard([4]).digest() != expected
    assert small_shard([3], rating=3.0).digest() != expected


@pytest.mark.parametrize("items", [[], [5], [-1], [3, 3], [4, 3], [0]])
def test_a_broken_shard_is_refused(items: list[int]) -> None:
    with pytest.raises(ValueError, match=r"must|outside|still"):
        small_shard(items)


def test_a_changed_pool_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pool.npz"
    save_probe_pool(path, [small_shard([3])])
    good = load_arrays(path)
    for changed, message in (
        ({"shards": np.array(2)}, "has no array"),
        ({"shards": np.array([1, 1])}, "not a probe pool"),
        ({"shard0_held_out_items": np.array([2], dtype=np.int32)}, "still in its history"),
        ({"shard0_held_out_users": np.array([0, 0], dtype=np.int32)}, "of one length"),
        ({"shard0_held_out_items": np.array([2])}, "must be one-dimensional int32"),
        ({"shard0_held_out_ratings": np.array([2.5])}, "must be float32, one for each"),
        ({"shard0_held_out_ratings": np.array([1, 2], dtype=np.float32)}, "must be float32, one for each"),
        ({"shard0_held_out_ratings": np.array([np.nan], dtype=np.float32)}, "must be finite"),
    ):
        save_arrays(path, good | changed)
        with pytest.raises(WrongUse, match=message):
            load_probe_pool(path)
