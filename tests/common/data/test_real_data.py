"""The numbers that the data sets are known by, on the real files."""

import time
from pathlib import Path

import numpy as np
import pytest

from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.published import PUBLISHED
from common.data.source_file import read_source
from common.data.splits import leave_one_out
from common.data.user_items import NO_ITEM


def test_the_bundled_data_set_is_the_release_of_2016() -> None:
    dataset = load_dataset("ml-latest-small-2016", None)
    interactions = dataset.interactions
    assert (interactions.user_count, interactions.item_count, interactions.items.size) == (671, 9066, 100_004)
    assert (interactions.timestamps.min(), interactions.timestamps.max()) == (789_652_009, 1_476_640_644)
    assert (interactions.ratings.min(), interactions.ratings.max()) == (0.5, 5.0)
    assert interactions.counts.min() == 20
    assert (dataset.user_ids[0], dataset.user_ids[-1]) == ("1", "671")
    assert dataset.titles is not None
    assert dataset.genres is not None
    assert dataset.titles[0] == "Toy Story (1995)"
    assert dataset.genres[0] == ("Adventure", "Animation", "Children", "Comedy", "Fantasy")
    assert dataset.titles[dataset.item_ids.index("108548")] == "Movie 108548"
    assert "(no genres listed)" not in {genre for genres in dataset.genres for genre in genres}
    assert dataset.file_hashes == {
        "ratings.csv": "b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73",
        "movies.csv": "cd70037017534ad5ef111eb6b54b407096ceae835b7571d900d6754e22806b46",
    }


@pytest.mark.parametrize(
    ("name", "users", "items", "interactions", "titles", "file", "sha256"),
    [
        ("ml-latest-small", 610, 9724, 100_836, True, "ratings.csv", "aa289ca8"),
        ("ml-1m", 6040, 3706, 1_000_209, True, "ratings.rebuilt.dat", "d4aa1251"),
        ("ml-100k", 943, 1682, 100_000, True, "u.data", "06416e59"),
        ("filmtrust", 1508, 2071, 35_494, False, "ratings.txt", "24116742"),
        ("amazon-appliances", 47, 48, 183, False, "Appliances_5.json", "86b193bf"),
    ],
)
def test_a_data_set_has_the_numbers_it_is_known_by(
    data_root: Path, name: str, users: int, items: int, interactions: int, titles: bool, file: str, sha256: str
) -> None:
    dataset = load_dataset(name, data_root)
    rows = dataset.interactions
    assert (rows.user_count, rows.item_count, rows.items.size) == (users, items, interactions)
    assert (dataset.titles is not None, dataset.genres is not None) == (titles, titles)
    assert dataset.file_hashes[file].startswith(sha256)
    assert (dataset.name, dataset.official_split) == (name, None)
    if file != "Appliances_5.json":  # the table tells the counts of the file with all ratings
        published = PUBLISHED[name]
        assert (published.lines, published.users, published.items) == (dataset.lines, users, items)
        assert published.interactions == interactions


def test_ml_1m_loads_in_less_than_three_seconds_with_its_unknown_timestamps(data_root: Path) -> None:
    start = time.process_time()
    rows = load_dataset("ml-1m", data_root).interactions
    assert time.process_time() - start < 3
    assert int((rows.timestamps == 0).sum()) == 506_134
    assert np.bincount(rows.ratings.astype(int)).tolist() == [0, 56_174, 107_557, 261_197, 348_971, 226_310]


def test_filmtrust_keeps_the_last_line_of_a_repeated_pair(data_root: Path) -> None:
    dataset = load_dataset("filmtrust", data_root)
    user, item = dataset.user_ids.index("308"), dataset.item_ids.index("235")
    rows = dataset.interactions
    at = int(rows.indptr[user]) + rows.items_of(user).tolist().index(item)
    assert rows.ratings[at] == 1.5  # 4 in its first line
    assert int((rows.counts == 1).sum()) == 108
    assert not rows.timestamps.any()
    assert int((leave_one_out(dataset, 1).test == NO_ITEM).sum()) == int((rows.counts < 3).sum())


@pytest.fixture(scope="module")
def ncf(data_root: Path) -> Dataset:
    return load_dataset("ml-1m-ncf", data_root)


def test_the_ncf_split_has_the_published_test_items(ncf: Dataset, data_root: Path) -> None:
    assert ncf.official_split is not None
    folder = data_root / "ml-1m" / "ncf-split"
    item_map = dict(line.split(",") for _, line in read_source(folder, "item_map.csv").lines())
    for _, line in read_source(folder, "ml-1m.test.rating").lines():
        user, item, rating, _ = line.split("\t")
        row = ncf.user_ids.index(str(int(user) + 1))
        test = int(ncf.official_split.test[row])
        assert ncf.item_ids[test] == item_map[item]
        at = int(ncf.interactions.indptr[row]) + int(np.searchsorted(ncf.interactions.items_of(row), test))
        assert ncf.interactions.ratings[at] == float(rating)


def test_the_ncf_candidates_are_the_published_ones_with_their_156_rated_items(ncf: Dataset) -> None:
    split = leave_one_out(ncf, 1)
    assert ncf.official_split is not None
    np.testing.assert_array_equal(split.candidates, ncf.official_split.candidates)
    np.testing.assert_array_equal(split.test, ncf.official_split.test)
    users = np.broadcast_to(np.arange(6040)[:, None], split.candidates.shape)
    assert int(ncf.interactions.contains(users, split.candidates).sum()) == 156
    assert split.train.items.size == 1_000_209 - 2 * 6040
