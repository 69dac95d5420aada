import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from common.config import Settings
from common.errors import WrongUse
from launch import workspace
from launch.workspace import choose_run_folder, link_latest, require_writable, write_config


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_chosen_folder_is_absolute_and_not_made_yet(tmp_path):
    assert choose_run_folder(Path("a/b")) == tmp_path / "a" / "b"
    (tmp_path / "empty").mkdir()
    assert choose_run_folder(Path("empty")) == tmp_path / "empty"
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_runs_that_begin_in_the_same_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace.time, "strftime", lambda _: "20260101-120000")
    names = []
    for _ in range(3):
        folder = choose_run_folder(None)
        assert folder.parent == tmp_path / "runs"
        folder.mkdir(parents=True)
        names.append(folder.name)
    assert names == ["20260101-120000", "20260101-120000-2", "20260101-120000-3"]


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".hidden").touch()
    with pytest.raises(WrongUse, match=r"run is not empty; choose another folder with --out\.$"):
        choose_run_folder(Path("run"))


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "deep" / "run"):
        with pytest.raises(WrongUse, match="file is a file, so nothing can be written below it"):
            require_writable(path)


def test_a_folder_without_the_right_to_write_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    with pytest.raises(WrongUse, match="cannot be written by this user"):
        require_writable(tmp_path / "run")


def test_latest_leads_to_the_newest_run_in_runs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        link_latest(tmp_path / "runs" / name)
        assert (tmp_path / "runs" / "latest").readlink() == Path(name)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["latest", "one", "two"]


def test_nothing_is_linked_beside_a_folder_elsewhere(tmp_path):
    (tmp_path / "elsewhere" / "run").mkdir(parents=True)
    link_latest(tmp_path / "elsewhere" / "run")
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["run"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_link_is_never_replaced(kind, tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    latest = tmp_path / "runs" / "latest"
    latest.mkdir() if kind == "folder" else latest.write_text("my notes")
    link_latest(tmp_path / "runs" / "one")
    assert latest.is_dir() if kind == "folder" else latest.read_text() == "my notes"
    assert not latest.is_symlink()


def test_a_broken_link_is_replaced(tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "latest").symlink_to("gone")
    link_latest(tmp_path / "runs" / "one")
    assert (tmp_path / "runs" / "latest").readlink() == Path("one")


def test_config_toml_reads_back_as_the_settings(tmp_path):
    settings = Settings(csv_columns='user="u",item=ü', seed=2**53 - 1, kappa=1e-9, unsafe_single_user=True)
    write_config(tmp_path, settings, {"ratings.csv": "ab" * 32})
    config = tomllib.loads((tmp_path / "config.toml").read_text())
    assert Settings.from_run_config(config["settings"]) == settings
    assert config["data_sha256"] == {"ratings.csv": "ab" * 32}
    assert {"python", "tfedrs", "flwr", "numpy", "web3"} <= config["versions"].keys()
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o644


def git(*arguments):
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def commit_in_config(folder):
    write_config(folder, Settings(), {})
    return tomllib.loads((folder / "config.toml").read_text())["source"]["git_commit"]


def test_the_commit_is_named_and_changes_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(workspace, "PROJECT_ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    out = tmp_path / "out"
    assert commit_in_config(out) == "unknown"  # an unpacked archive
    git("init")
    (tmp_path / "code.py").write_text("1")
    git("add", "code.py")
    git("commit", "-m", "First")
    commit = commit_in_config(out)  # files that git does not know are no changes
    assert len(commit) == 40
    (tmp_path / "code.py").write_text("2")
    assert commit_in_config(out) == f"{commit}+changes"


def test_a_machine_without_git_says_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.prefix) / "no-such-folder"))
    assert commit_in_config(tmp_path) == "unknown"
