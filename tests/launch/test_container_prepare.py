"""The compose service `prepare` on a chain of its own: what is there already, cut short, or lost in part."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from common.config import Settings
from common.errors import WrongUse
from launch.chain_choice import open_chain
from launch.container import prepare as service
from launch.container.prepare import prepare
from tests.launch.small_data import COLUMNS, write_small_csv

VOLUMES = ("chain", "superlink", "coordinator", "clients", "record")


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Empty volumes beside a chain that is new."""
    for name in VOLUMES:
        (tmp_path / name).mkdir()
        monkeypatch.setattr(service, name.upper(), tmp_path / name)
    monkeypatch.setattr(service, "VOLUMES", tmp_path)
    for name in ("MEMBERS_FILE", "AUTHORITY", "_BEGUN"):
        monkeypatch.setattr(service, name, tmp_path / "record" / getattr(service, name).name)
    with open_chain("embedded", tmp_path / "its-chain") as endpoint:
        monkeypatch.setattr(service, "CHAIN_URL", endpoint.url)
        yield tmp_path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    csv = write_small_csv(tmp_path / "ratings.csv")
    return Settings(dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=2, factors=4, probe_pairs=20)


def contents(volumes: Path) -> dict[str, bytes]:
    paths = (path for name in VOLUMES for path in (volumes / name).rglob("*"))
    return {str(path.relative_to(volumes)): path.read_bytes() for path in paths if path.is_file()}


def test_what_is_prepared_stays_and_what_lacks_a_file_or_the_record_is_refused_untouched(
    volumes: Path, settings: Settings
) -> None:
    prepare(settings, None, Console(quiet=True))
    prepared = contents(volumes)
    assert "record/federation.toml" in prepared
    assert "record/.begun" not in prepared
    prepare(settings, None, Console(quiet=True))
    assert contents(volumes) == prepared
    for name in ("superlink/server.key", "coordinator/committee.secret", "clients/client-02/node.key"):
        (volumes / name).rename(volumes / "aside")
        volume, inside = name.split("/", 1)
        with pytest.raises(WrongUse, match=f"^The volume {volume} lacks {inside}: restore all five volumes"):
            prepare(settings, None, Console(quiet=True))
        (volumes / "aside").rename(volumes / name)
    (volumes / "record").rename(volumes / "aside")
    (volumes / "record").mkdir()
    with pytest.raises(WrongUse, match="a federation is left in clients, coordinator, superlink, chain: restore"):
        prepare(settings, None, Console(quiet=True))
    assert not any((volumes / "record").iterdir())
    (volumes / "record").rmdir()
    (volumes / "aside").rename(volumes / "record")
    assert contents(volumes) == prepared


def test_a_preparation_that_was_cut_short_is_made_anew(
    volumes: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the keys are in their volumes, and before the list of members is."""

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(service, "save_members", killed)
        prepare(settings, None, Console(quiet=True))
    left = contents(volumes)
    assert "record/.begun" in left
    prepare(settings, None, Console(quiet=True))
    prepared = contents(volumes)
    assert set(prepared) == {*left, "record/federation.toml"} - {"record/.begun"}
    assert prepared["clients/client-01/node.key"] != left["clients/client-01/node.key"]
