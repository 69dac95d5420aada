"""Nothing of an archive lies outside its folder, and nothing of it is larger than allowed."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import CheckFailed
from launch.data_sets import unzip as unzip_module
from launch.data_sets.unzip import unzip


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "inside" / "into"
    folder.mkdir(parents=True)
    return folder


def refused(archive: Path, into: Path, most_bytes: int = 1 << 20) -> str:
    outside = {path for path in into.parents[1].rglob("*") if not path.is_relative_to(into)}
    with pytest.raises(CheckFailed) as caught:
        unzip(archive, "", into, most_bytes)
    assert {path for path in into.parents[1].rglob("*") if not path.is_relative_to(into)} == outside
    return str(caught.value)


def test_the_files_of_one_folder_are_unpacked(tmp_path: Path, into: Path) -> None:
    files = {"ml-1m/": b"", "ml-1m/ratings.dat": b"1::2::3::4\n", "ml-1m/a/b": b"", "__MACOSX/x": b"?", "ml-1": b"!"}
    unzip(make_zip(tmp_path / "x.zip", files), "ml-1m", into)
    assert tree(into) == {"ratings.dat": b"1::2::3::4\n", "a/b": b""}


def test_all_files_are_unpacked_where_no_folder_is_named(tmp_path: Path, into: Path) -> None:
    unzip(make_zip(tmp_path / "x.zip", {"ratings.txt": b"1 2 3\n", "a/b": b"x"}), "", into)
    assert tree(into) == {"ratings.txt": b"1 2 3\n", "a/b": b"x"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "//evil", "..\\evil", "C:\\evil", "a/.."])
def test_a_file_that_would_lie_outside_stops_all_of_it(tmp_path: Path, into: Path, name: str) -> None:
    archive = make_zip(tmp_path / "x.zip", {"ratings.txt": b"1 2 3\n", name: b"evil"})
    assert "would lie outside" in refused(archive, into)
    assert tree(into) == {}


@given(st.text("./\\ab:", min_size=1, max_size=12))
def test_no_name_reaches_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    home = tmp_path_factory.mktemp("home")
    into = home / "deep" / "into"
    into.mkdir(parents=True)
    archive = make_zip(home / "x.zip", {name: b"evil"})
    try:
        unzip(archive, "", into)
    except CheckFailed:
        assert tree(into) == {}
    assert {path for path in home.rglob("*") if path.is_file() and not path.is_relative_to(into)} == {archive}


def test_a_link_stops_all_of_it(tmp_path: Path, into: Path) -> None:
    link = zipfile.ZipInfo("ratings.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "a link 'ratings.txt'" in refused(tmp_path / "x.zip", into)
    assert tree(into) == {}


def test_a_bomb_is_not_unpacked(tmp_path: Path, into: Path) -> None:
    archive = make_zip(tmp_path / "x.zip", {"zeros": bytes(1 << 24), "more": bytes(1 << 24)})
    assert archive.stat().st_size < 1 << 16
    assert "more than 1000 files or 1,048,576 bytes" in refused(archive, into)
    assert tree(into) == {}


def test_a_bomb_that_hides_its_size_writes_no_more_than_it_claims(tmp_path: Path, into: Path) -> None:
    archive = make_zip(tmp_path / "x.zip", {"zeros": bytes(1 << 24)})
    data = bytearray(archive.read_bytes())
    for magic, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the length of the file, told twice
        struct.pack_into("<I", data, data.index(magic) + at, 100)
    archive.write_bytes(data)
    assert "is damaged" in refused(archive, into)
    assert sum(map(len, tree(into).values())) <= 100


def test_too_many_files_are_not_unpacked(tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unzip_module, "MOST_FILES", 3)
    assert "more than 3 files" in refused(make_zip(tmp_path / "x.zip", dict.fromkeys("abcd", b"")), into)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_what_is_damaged_is_one_sentence(tmp_path: Path, into: Path) -> None:
    path = tmp_path / "x.zip"
    whole = make_zip(path, {"ratings.txt": b"1 2 3\n" * 100}).read_bytes()
    encrypted = bytearray(whole)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(magic) + at] |= 1
    altered = whole[:45] + b"\xff\xff" + whole[47:]
    for data in (b"", b"not an archive", whole[:-30], bytes(encrypted), altered):
        path.write_bytes(data)
        assert "is damaged" in refused(path, into)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    assert "is damaged" in refused(path, into)
    assert "is damaged" in refused(make_zip(path, {"b": b"", "b/c": b""}), into)
