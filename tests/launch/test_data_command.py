"""`tfedrs data`: what is listed, fetched and described, for people and for programs."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from common.data.published import PUBLISHED
from launch.cli import main
from launch.processes import free_ports
from launch.run_options import data_root
from launch.workspace import PROJECT_ROOT
from tests.launch.data_sets.file_server import FileServer, serving
from tests.launch.data_sets.test_fetch import zipped
from tests.launch.small_data import COLUMNS, write_small_csv

PAGE = " ".join((PROJECT_ROOT / "docs" / "data.md").read_text().split())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("TFEDRS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path / "cache" / "tfedrs" / "data"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["data", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_data_sets_are_looked_for_where_the_variable_says_or_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert data_root() == cache
    for ignored in ("", "relative/cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert data_root() == tmp_path / ".cache" / "tfedrs" / "data"
    monkeypatch.setenv("TFEDRS_DATA", "here/data")
    assert data_root() == Path("here/data")


def test_the_list_names_every_data_set_and_what_is_here(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cache / "filmtrust").mkdir(parents=True)
    (cache / "filmtrust" / "ratings.txt.gz").touch()
    (cache / "amazon-appliances").mkdir()
    (cache / "amazon-appliances" / "Appliances_5.json.gz").touch()
    listed = json.loads(told(capsys, "list", "--json"))
    assert listed["root"] == str(cache)
    states = {known["name"]: known["state"] for known in listed["data_sets"]}
    assert states.pop("ml-latest-small-2016") == "bundled"
    assert {name for name, state in states.items() if state == "here"} == {"filmtrust", "amazon-appliances"}
    assert list(PUBLISHED) == [known["name"] for known in listed["data_sets"]]
    text = told(capsys, "list")
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert "is no benchmark" in text
    for name, state in states.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert state in row


def test_the_bundled_data_set_is_described_from_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    known = json.loads(told(capsys, "info", "ml-latest-small-2016", "--json"))
    assert (known["users"], known["items"], known["interactions"]) == (671, 9066, 100_004)
    assert sum(known["ratings"].values()) == 100_004
    assert (known["ratings"]["0.5"], known["ratings"]["5"]) == (1101, 15_095)
    assert known["density"] == pytest.approx(100_004 / 671 / 9066)
    assert known["timestamps"] == {"known": 100_004, "first": 789_652_009, "last": 1_476_640_644}
    assert known["split"] == {"train": 100_004 - 2 * 671, "validation": 671, "test": 671, "published": False}
    text = told(capsys, "info", "ml-latest-small-2016")
    for part in ("671", "9,066", "100,004", "1995-01-09 to 2016-10-16", "train 98,662", "GroupLens terms", "Harper"):
        assert part in text


def test_a_csv_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_small_csv(tmp_path / "ratings.csv")
    path.write_text(path.read_text() + "u0,i0,1,9999999\n")
    named = ("info", f"csv:{path}", "--csv-columns", COLUMNS)
    known = json.loads(told(capsys, *named, "--json"))
    assert (known["lines"], known["users"], known["files"]) == (721, 24, [str(path)])
    assert known["interactions"] in (720, 721)
    assert "721 lines" in told(capsys, *named)
    bare = json.loads(told(capsys, "info", f"csv:{path}", "--csv-columns", "user=user,item=item", "--json"))
    assert bare["timestamps"] == {"known": 0, "first": None, "last": None}


def test_a_data_set_that_is_not_here_is_described_from_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    known = json.loads(told(capsys, "info", "ml-100k", "--json"))
    assert (known["state"], known["users"], known["download_bytes"]) == ("not here", 943, 4_924_029)
    assert "density" not in known
    text = told(capsys, "info", "ml-100k")
    assert "tfedrs data fetch ml-100k (size: 4.9 MB)" in text
    assert PUBLISHED["ml-100k"].downloads[0].sha256 in text


def test_the_5_core_file_of_appliances_is_no_benchmark(
    cache: Path, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data_root / "amazon-appliances", cache / "amazon-appliances")
    known = json.loads(told(capsys, "info", "amazon-appliances", "--json"))
    assert (known["lines"], known["interactions"], known["users"], known["items"]) == (2277, 183, 47, 48)
    assert "rank" in known["split"]["refused"]
    text = told(capsys, "info", "amazon-appliances")
    assert "2,277 lines, 183 distinct pairs" in text
    assert "is no benchmark" in text


def test_fetching_shows_the_terms_and_then_brings_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings = "".join(f"{user}\t{item}\t4\t{item}\n" for user in range(1, 31) for item in range(user, user + 40))
    archive = zipped({"ml-100k/u.data": ratings.encode()})
    published = PUBLISHED["ml-100k"]
    with serving(FileServer(archive)) as server:
        one = replace(
            published.downloads[0], url=server.url, sha256=hashlib.sha256(archive).hexdigest(), bytes=len(archive)
        )
        small = replace(published, downloads=(one,), lines=1200, users=30, items=69, interactions=1200)
        monkeypatch.setitem(PUBLISHED, "ml-100k", small)
        text = told(capsys, "fetch", "ml-100k", "ml-latest-small-2016")
        assert text.index("Licence: GroupLens terms") < text.index(f"It is in {cache / 'ml-100k'}: 30 users")
        assert "Cite: F. Maxwell Harper" in text
        assert "It comes with the code: 671 users" in text
        out = json.loads(told(capsys, "fetch", "ml-100k", "--json"))
        assert len(server.asked) == 1
    assert out["fetched"][0] == {
        "name": "ml-100k",
        "folder": str(cache / "ml-100k"),
        "downloaded": [],
        "users": 30,
        "items": 69,
        "interactions": 1200,
    }
    assert "already" in told(capsys, "fetch", "ml-100k")
    assert "split " in told(capsys, "info", "ml-100k")


def test_without_network_it_is_one_sentence(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    published = PUBLISHED["ml-100k"]
    one = replace(published.downloads[0], url=f"http://127.0.0.1:{port}/ml-100k.zip")
    monkeypatch.setitem(PUBLISHED, "ml-100k", replace(published, downloads=(one,)))
    assert main(["data", "fetch", "ml-100k"]) == 3
    out, err = capsys.readouterr()
    assert err.startswith("tfedrs: 127.0.0.1 cannot be reached (")
    assert err.count("\n") == 1
    assert "Licence" in out
    assert list(cache.rglob("*")) == []


def test_a_name_that_is_not_there_stops_all(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("fetch", "ml-100k", "netflix"), ("info", "netflix")):
        assert main(["data", *arguments]) == 2
        assert capsys.readouterr().err.startswith("tfedrs: There is no data set 'netflix'")
    assert not cache.exists()
    assert main(["data", "fetch", "csv:x"]) == 2


def test_a_run_says_how_to_fetch_what_is_missing(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--dataset", "ml-1m-ncf"]) == 2
    sentence = capsys.readouterr().err
    assert "run `tfedrs data fetch ml-1m-ncf`" in sentence
    assert str(cache / "ml-1m") in sentence


@pytest.mark.parametrize("command", ["list", "fetch", "info"])
def test_help_fits_80_columns(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["data", command, "--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert f"tfedrs data {command}" in text.partition("examples:")[2]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_page_says_what_the_table_says(name: str) -> None:
    published = PUBLISHED[name]
    assert f"`{name}`" in PAGE
    for one in published.downloads:
        assert one.url in PAGE
        assert one.sha256 in PAGE
        assert one.sha256_from in PAGE
    for count in (published.lines, published.users, published.items):
        assert count is None or f"{count:,}" in PAGE
    for text in (published.licence, published.page):
        assert text in PAGE
