"""A participant's own data: cut on its machine, by the public catalogue, as the launcher would have cut them."""

from pathlib import Path

import numpy as np
import pytest

from client.store import CATALOGUE_FILE, DATA_FILE
from common.data.catalogue import Catalogue
from common.data.client_part import ClientPart
from common.data.named_csv import CsvColumns, load_named_csv
from common.data.splits import leave_one_out
from common.errors import WrongUse
from launch.commands.machines import provision
from launch.own_data import CutData, cut_own_data
from tests.launch.small_data import COLUMNS, ITEMS_EACH, USERS, write_small_csv

NAMES = CsvColumns.parse(COLUMNS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the catalogue of the small CSV, which lies beside it."""
    dataset = load_named_csv("small", write_small_csv(tmp_path / "r.csv"), NAMES)
    (tmp_path / "carol").mkdir()
    Catalogue.of(dataset).save(tmp_path / "carol" / CATALOGUE_FILE)
    return tmp_path / "carol"


def test_the_part_is_the_one_that_the_launcher_cuts_without_volunteers(folder: Path) -> None:
    csv = folder.parent / "r.csv"
    cut = cut_own_data(folder, csv, NAMES)
    assert cut == CutData(USERS, USERS * ITEMS_EACH, USERS, 0, 0, 0)
    part = ClientPart.load(folder / DATA_FILE)
    split = leave_one_out(load_named_csv("small", csv, NAMES), 1)
    assert np.array_equal(part.test, split.test)
    assert np.array_equal(part.validation, split.validation)
    assert np.array_equal(part.train.items, split.train.items)
    assert np.array_equal(part.seen.items, part.train.items)
    assert (folder / DATA_FILE).stat().st_mode & 0o777 == 0o600


def test_items_are_counted_by_the_catalogue_and_what_it_does_not_have_is_left_out(folder: Path) -> None:
    ids = Catalogue.load(folder / CATALOGUE_FILE).item_ids
    csv = folder / "own.csv"
    lines = [f"u{user},{ids[10 * user + k]},4,{k}" for user in range(3) for k in range(5)]
    lines += ["u0,unheard-of,5,9", "u9,unheard-of,5,9", "u9,never seen,5,9"]
    csv.write_text("\n".join(["user,item,stars,when", *lines]))
    assert cut_own_data(folder, csv, NAMES) == CutData(3, 15, 3, 2, 3, 1)
    part = ClientPart.load(folder / DATA_FILE)
    assert part.user_ids == ("u0", "u1", "u2")
    assert part.train.item_count == len(ids)
    assert [ids[item] for item in part.test] == [ids[4], ids[14], ids[24]]
    assert [sorted(part.train.items_of(user)) for user in range(3)] == [
        [10 * user + k for k in range(3)] for user in range(3)
    ]


def test_data_that_are_there_are_not_replaced(folder: Path) -> None:
    (folder / DATA_FILE).write_bytes(b"mine")
    with pytest.raises(WrongUse, match="already; move them away"):
        cut_own_data(folder, folder.parent / "r.csv", NAMES)
    assert (folder / DATA_FILE).read_bytes() == b"mine"


@pytest.mark.parametrize("content", [None, "{"])
def test_a_catalogue_that_is_not_there_or_damaged_is_to_be_asked_for(folder: Path, content: str | None) -> None:
    """Nothing on a participant's own machine could write it again."""
    path = folder / CATALOGUE_FILE
    path.unlink() if content is None else path.write_text(content)
    what = "is missing" if content is None else "is not the catalogue it was"
    with pytest.raises(WrongUse) as refusal:
        cut_own_data(folder, folder.parent / "r.csv", NAMES)
    assert str(refusal.value) == f"{path} {what}; ask the coordinator for it again."


@pytest.mark.parametrize("lines", [["u0,i1,4,1", "u0,i2,4,2"], ["u0,x,4,1", "u1,y,4,2"]])
def test_fewer_than_two_users_of_known_items_are_refused(folder: Path, lines: list[str]) -> None:
    csv = folder / "own.csv"
    csv.write_text("\n".join(["user,item,stars,when", *lines]))
    with pytest.raises(WrongUse, match="bring at least 2"):
        cut_own_data(folder, csv, NAMES)
    assert not (folder / DATA_FILE).exists()


@pytest.mark.parametrize("own_data", [["carol"], ["alice", "bob", "carol"]])
def test_who_brings_its_own_data_is_given_none_and_the_others_share_the_data_set(
    tmp_path: Path, own_data: list[str]
) -> None:
    csv, plan = write_small_csv(tmp_path / "r.csv"), tmp_path / "federation.toml"
    plan.write_text(
        'name = "cinema"\naddress = "localhost"\nparticipants = ["alice", "bob"]\nown_keys = ["carol"]\n'
        f'own_data = {own_data}\n[settings]\ndataset = "csv:{csv}"\ncsv-columns = "{COLUMNS}"\n'
        "factors = 4\nprobe-pairs = 20\n"
    )
    folders = {name: Path(path) for name, path in provision(plan, tmp_path / "out", None, None)["participants"].items()}
    users = [
        user for name in folders if name not in own_data for user in ClientPart.load(folders[name] / DATA_FILE).user_ids
    ]
    assert sorted(users) == (sorted(f"u{user}" for user in range(USERS)) if len(own_data) < 3 else [])
    for name in own_data:
        assert not (folders[name] / DATA_FILE).exists()
        assert "tfedrs prepare-data ." in (folders[name] / "README.md").read_text()
        assert cut_own_data(folders[name], csv, NAMES).users == USERS
