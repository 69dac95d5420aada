import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.array_file import load_arrays, save_arrays
from common.data.client_part import ClientPart
from common.data.client_parts import cut_client_part
from common.data.movielens_csv import load_bundled
from common.data.probe import draw_probe_pool
from common.data.splits import leave_one_out
from common.data.user_items import NO_ITEM, UserItems
from common.errors import WrongUse
from tests.common.data.random_data import make_dataset, rows, with_ratings


def first_user_part() -> ClientPart:
    dataset = load_bundled()
    split = leave_one_out(dataset, 1)
    return cut_client_part(dataset, split, split.train, np.array([0], dtype=np.int32))


@given(rows(users=(2, 10)), st.data())
def test_a_part_holds_its_own_users_and_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory, interactions: UserItems, data: st.DataObject
) -> None:
    dataset = make_dataset(with_ratings(interactions))
    split = leave_one_out(dataset, 1)
    chosen = data.draw(st.sets(st.integers(0, interactions.user_count - 1), min_size=1))
    users = np.array(sorted(chosen), dtype=np.int32)
    path = tmp_path_factory.mktemp("part") / "part.npz"
    cut_client_part(dataset, split, split.train, users).save(path)
    part = ClientPart.load(path)
    assert part.user_ids == tuple(f"u{user}" for user in users)
    for row, user in enumerate(users):
        assert part.train.items_of(row).tolist() == split.train.items_of(int(user)).tolist()
        assert (part.validation[row], part.test[row]) == (split.validation[user], split.test[user])
    np.testing.assert_array_equal(part.candidates, split.candidates[users])
    np.testing.assert_array_equal(part.validation_ratings, split.validation_ratings[users])
    np.testing.assert_array_equal(part.test_ratings, split.test_ratings[users])


def test_probe_items_leave_the_training_and_stay_seen() -> None:
    dataset = load_bundled()
    split = leave_one_out(dataset, 1)
    pool, train = draw_probe_pool(split.train, 5, 200, 0.1, 1)
    part = cut_client_part(dataset, split, train, np.arange(671, dtype=np.int32))
    assert part.seen.items.size - part.train.items.size == sum(shard.held_out_items.size for shard in pool) == 1000


def test_equal_parts_are_equal_bytes_that_only_the_owner_reads(tmp_path: Path) -> None:
    part = first_user_part()
    for name in ("a.npz", "b.npz"):
        part.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"user_ids": np.array([1])}, "must be one-dimensional text"),
        ({"user_ids": np.array(["1", "2"])}, "same users"),
        ({"user_ids": np.array([], dtype="<U1")}, "same users"),
        ({"validation": np.array([9066], dtype=np.int32)}, "outside -1..9065"),
        ({"validation": np.array([-2], dtype=np.int32)}, "outside -1..9065"),
        ({"test": np.array([3.0], dtype=np.float32)}, "test must be int32"),
        ({"test": np.array([NO_ITEM, NO_ITEM], dtype=np.int32)}, "test must be int32"),
        ({"candidates": np.full((1, 98), 5, dtype=np.int32)}, "candidates must be int32"),
        ({"validation_ratings": np.array([3.0])}, "held-out ratings must be float32"),
        ({"test_ratings": np.array([3.0, 3.0], dtype=np.float32)}, "held-out ratings must be float32"),
        ({"validation_ratings": np.array([np.nan], dtype=np.float32)}, "NaN just where there is no held-out item"),
        ({"test_ratings": np.array([np.inf], dtype=np.float32)}, "held-out ratings must be finite"),
        ({"test": np.array([NO_ITEM], dtype=np.int32)}, "NaN just where there is no held-out item"),
        ({"train_item_count": np.array(9067)}, "same catalogue"),
        ({"train_ratings": np.array([np.nan], dtype=np.float32)}, "ratings"),
        ({"train_items": np.array([[1]], dtype=np.int32)}, "one-dimensional"),
        ({"seen_item_count": np.array([9066])}, "one int64"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    path = tmp_path / "part.npz"
    first_user_part().save(path)
    save_arrays(path, load_arrays(path) | changed)
    with pytest.raises(WrongUse, match=message) as error:
        ClientPart.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("held_out", ["validation", "test"])
def test_a_held_out_item_among_the_training_items_is_refused(tmp_path: Path, held_out: str) -> None:
    path = tmp_path / "part.npz"
    part = first_user_part()
    part.save(path)
    save_arrays(path, load_arrays(path) | {held_out: part.train.items[:1]})
    with pytest.raises(WrongUse, match="among the training items"):
        ClientPart.load(path)


def test_a_training_item_that_was_never_seen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    part = first_user_part()
    part.save(path)
    fewer = part.seen.without(np.array([0]), part.seen.items[:1])
    save_arrays(path, load_arrays(path) | fewer.to_arrays("seen"))
    with pytest.raises(WrongUse, match="must be a seen item"):
        ClientPart.load(path)


def test_a_missing_damaged_or_pickled_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    with pytest.raises(WrongUse, match="there is no file"):
        ClientPart.load(path)
    first_user_part().save(path)
    whole = path.read_bytes()
    entry = whole.rindex(b"PK\x01\x02")  # of the directory; 10 bytes on is the compression method
    method = whole[: entry + 10] + b"\x63\x00" + whole[entry + 12 :]
    for damaged in (b"", b"PK", whole[:-100], whole[:300] + b"\xff" * 8 + whole[308:], method):
        path.write_bytes(damaged)
        with pytest.raises(WrongUse, match="cannot be read"):
            ClientPart.load(path)
    np.savez(path, allow_pickle=True, user_ids=np.array([{}], dtype=object))
    with pytest.raises(WrongUse, match="cannot be read"):
        ClientPart.load(path)
    np.save(tmp_path / "part.npy", np.zeros(3))
    with pytest.raises(WrongUse, match="a single array"):
        ClientPart.load(tmp_path / "part.npy")
    save_arrays(path, {"user_ids": np.array(["1"])})
    with pytest.raises(WrongUse, match="has no array 'train_item_count'"):
        ClientPart.load(path)


def test_what_a_client_imports_is_light() -> None:
    code = (
        "import sys, common.data.client_part, common.data.probe;"
        "heavy = {'pandas', 'web3', 'torch', 'scipy', 'numba', 'flwr'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
