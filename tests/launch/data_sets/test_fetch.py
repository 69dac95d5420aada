"""From an official archive to a data set that loads, or to nothing."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.data.published import PUBLISHED, Download, PublishedDataset
from common.errors import CheckFailed, WrongUse
from launch.data_sets.download import OnProgress
from launch.data_sets.fetch import Fetched, fetch
from tests.launch.data_sets.file_server import FileServer, serving

LINES = b"1\t10\t4\t100\n2\t10\t3\t200\n2\t11\t5\t300\n2\t10\t1\t400\n"
COUNTS = {"lines": 4, "users": 2, "items": 2, "interactions": 3}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def silent(one: Download) -> OnProgress:
    return lambda done, total: None


Serve = Callable[..., tuple[PublishedDataset, list[FileServer]]]


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Serve:
    """Let a data set's downloads come from servers of this test."""

    def with_files(name: str, *contents: bytes, **changes: int | None) -> tuple[PublishedDataset, list[FileServer]]:
        published, servers = PUBLISHED[name], []
        downloads = []
        for one, content in zip(published.downloads, contents, strict=True):
            context = serving(FileServer(content))
            server = context.__enter__()
            request.addfinalizer(lambda context=context: context.__exit__(None, None, None))
            servers.append(server)
            sha256 = hashlib.sha256(content).hexdigest()
            downloads.append(replace(one, url=server.url, sha256=sha256, bytes=len(content)))
        return replace(published, downloads=tuple(downloads), **changes), servers

    return with_files


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_archive_becomes_a_data_set(tmp_path: Path, serve: Serve) -> None:
    archive = zipped({"ml-100k/u.data": LINES, "ml-100k/README": b"terms"})
    published, (server,) = serve("ml-100k", archive, **COUNTS)
    root = tmp_path / "cache" / "data"
    result = fetch(published, root, silent)
    assert (result.folder, result.downloaded) == (root / "ml-100k", published.downloads)
    assert result.dataset.interactions.items.size == 3
    assert names(root) == {"ml-100k/u.data", "ml-100k/README"}
    again = fetch(published, root, silent)
    assert (again.downloaded, server.asked) == ((), [None])


def test_a_compressed_file_that_is_there_is_not_fetched(tmp_path: Path, serve: Serve, data_root: Path) -> None:
    published, (server,) = serve("filmtrust", b"")
    result: Fetched = fetch(published, data_root, silent)
    assert (result.downloaded, server.asked) == ((), [])


def test_an_archive_with_other_counts_is_not_the_data_set(tmp_path: Path, serve: Serve) -> None:
    for what, count in COUNTS.items():
        root = tmp_path / what
        published, _ = serve("ml-100k", zipped({"ml-100k/u.data": LINES}), **(COUNTS | {what: count + 1}))
        with pytest.raises(CheckFailed, match=f"gives {count} {what}, and ml-100k has {count + 1}"):
            fetch(published, root, silent)


def test_an_archive_without_the_file_leaves_nothing(tmp_path: Path, serve: Serve) -> None:
    published, _ = serve("ml-100k", zipped({"elsewhere/u.data": LINES}), **COUNTS)
    with pytest.raises(CheckFailed, match=r"holds no u\.data"):
        fetch(published, tmp_path, silent)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_reaches_outside_leaves_nothing(tmp_path: Path, serve: Serve) -> None:
    published, _ = serve("ml-100k", zipped({"ml-100k/u.data": LINES, "../../evil": b"x"}), **COUNTS)
    with pytest.raises(CheckFailed, match="would lie outside"):
        fetch(published, tmp_path / "a" / "b", silent)
    assert names(tmp_path) == set()


def test_files_that_are_malformed_are_told(tmp_path: Path, serve: Serve) -> None:
    published, _ = serve("ml-100k", zipped({"ml-100k/u.data": b"1 10 4 100\n"}))
    with pytest.raises(WrongUse, match="line 1: expected"):
        fetch(published, tmp_path, silent)


def test_two_names_share_a_folder_and_a_download(tmp_path: Path, serve: Serve) -> None:
    ratings = "".join(f"{user}::{item}::4::{item}\n" for user in (1, 2) for item in range(100, 202 + user)).encode()
    negatives = "".join(
        f"({user},{101 + user})\t" + "\t".join(str(rank) for rank in range(99)) + "\n" for user in (0, 1)
    ).encode()
    counts = {"lines": 207, "users": 2, "items": 104, "interactions": 207}
    archive = zipped({"ml-1m/ratings.dat": ratings})
    alone, (first,) = serve("ml-1m", archive, **counts)
    fetch(alone, tmp_path, silent)
    (tmp_path / "ml-1m" / "mine.txt").write_text("kept")
    both, (zip_server, file_server) = serve("ml-1m-ncf", archive, negatives, **counts)
    result = fetch(both, tmp_path, silent)
    assert [one.file for one in result.downloaded] == ["ml-1m.test.negative"]
    assert (first.asked, zip_server.asked, file_server.asked) == ([None], [], [None])
    assert result.dataset.official_split is not None
    assert names(tmp_path) == {"ml-1m/ratings.dat", "ml-1m/ml-1m.test.negative", "ml-1m/mine.txt"}


def test_the_ratings_of_appliances_are_fetched_beside_the_5_core_reviews(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "amazon-appliances"
    folder.mkdir()
    review = b'{"asin": "B1", "reviewerID": "A1", "overall": 5.0, "unixReviewTime": 1}\n'
    (folder / "Appliances_5.json").write_bytes(review)
    published, _ = serve("amazon-appliances", b"B1,A1,5.0,1\nB2,A1,4.0,2\n", lines=2)
    assert published.found(tmp_path) == (folder / "Appliances_5.json",)
    result = fetch(published, tmp_path, silent)
    assert result.dataset.interactions.items.size == 2
    assert names(folder) == {"Appliances_5.json", "Appliances.csv"}
