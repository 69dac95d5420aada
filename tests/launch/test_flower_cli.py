"""Flower's own command line understands the folder that is written for it."""

import tomllib
from pathlib import Path

import pytest
from flwr.cli.flower_config import read_superlink_connection

from launch.flower_cli import write_flower_home


def test_flower_finds_the_connection_by_name_and_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "a folder" / "cli"
    write_flower_home(home, "127.0.0.1:8000", tmp_path / "ca.pem")
    monkeypatch.setenv("FLWR_HOME", str(home))
    for name in ("local", None):
        connection = read_superlink_connection(name)
        assert (connection.address, connection.root_certificates) == ("127.0.0.1:8000", str(tmp_path / "ca.pem"))
        assert not connection.insecure


def test_the_authority_is_found_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_flower_home(Path("cli"), "127.0.0.1:8000", Path("tls/ca.pem"))
    config = tomllib.loads(Path("cli/config.toml").read_text())
    assert config["superlink"]["local"]["root-certificates"] == str(tmp_path / "tls" / "ca.pem")
