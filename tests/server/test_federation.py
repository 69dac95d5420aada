import stat
from dataclasses import replace
from pathlib import Path

import pytest

from common.account import development_account, save_account
from common.config import Settings
from common.data.probe import PROBE_FILE, save_probe_pool
from common.errors import WrongUse
from server.federation import (
    FEDERATION_FILE,
    SECRET_FILE,
    Federation,
    load_federation,
    load_public_pool,
    load_secrets,
    save_federation,
)
from tests.small_federation import SmallFederation


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(
        150, bytes([1]) * 32, (bytes([2]) * 32, bytes([3]) * 32), {"a.csv": "00"}, Settings(), "memory", tmp_path, True
    )


def test_a_federation_comes_back(federation: Federation) -> None:
    for saved in (federation, replace(federation, given_deployment=Path("/elsewhere/ledger.json"))):
        save_federation(saved, bytes([9]) * 32)
        assert load_federation(federation.folder) == saved


def test_the_secret_is_for_the_owner_alone_and_in_no_public_file(federation: Federation) -> None:
    save_federation(federation, bytes([9]) * 32)
    account = development_account(1, 0)
    save_account(account, federation.folder, development=True)
    assert load_secrets(federation.folder) == (account, bytes([9]) * 32)
    assert stat.S_IMODE((federation.folder / SECRET_FILE).stat().st_mode) == 0o600
    assert "09" * 32 not in (federation.folder / FEDERATION_FILE).read_text()


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"item_count": 1}'])
def test_a_missing_or_damaged_federation_is_one_sentence(federation: Federation, content: bytes | None) -> None:
    if content is not None:
        (federation.folder / FEDERATION_FILE).write_bytes(content)
    with pytest.raises(WrongUse, match=r"federation\.json cannot be read .*; let the launcher write it again\.$"):
        load_federation(federation.folder)


@pytest.mark.parametrize("content", [None, b"zz", b"\xff\xfe"])
def test_a_missing_or_damaged_secret_is_one_sentence(federation: Federation, content: bytes | None) -> None:
    if content is not None:
        (federation.folder / SECRET_FILE).write_bytes(content)
    with pytest.raises(WrongUse, match=r"committee\.secret cannot be read .*; restore it from a backup\.$"):
        load_secrets(federation.folder)


def test_the_settings_hash_covers_settings_data_catalogue_and_probe_set(federation: Federation) -> None:
    settings = Settings()
    changed = [
        federation.settings_hash(Settings(seed=2)),
        replace(federation, catalogue_hash=bytes(32)).settings_hash(settings),
        replace(federation, probe_shards=federation.probe_shards[::-1]).settings_hash(settings),
        replace(federation, data_hashes={"a.csv": "01"}).settings_hash(settings),
    ]
    assert len({federation.settings_hash(settings), *changed}) == 5
    elsewhere = replace(federation, folder=Path("/elsewhere"), chain_kind="anvil", development=False)
    assert elsewhere.settings_hash(settings) == federation.settings_hash(settings)


def test_every_run_has_a_seed_secret_of_its_own_where_secrets_are_secret(federation: Federation) -> None:
    master, runs = bytes([9]) * 32, [bytes([run]) * 32 for run in (1, 2)]
    assert {federation.seed_secret(master, run) for run in runs} == {master}
    real = replace(federation, development=False)
    assert len({master, *(real.seed_secret(master, run) for run in runs)}) == 3
    assert real.seed_secret(master, runs[0]) == real.seed_secret(master, runs[0])  # a resumed run goes on with its own


def test_run_ids_repeat_on_a_development_chain_alone_and_differ_by_run(federation: Federation) -> None:
    settings = Settings()
    assert federation.new_run_id(settings, 0) == federation.new_run_id(settings, 0)
    assert federation.new_run_id(settings, 0) != federation.new_run_id(settings, 1)
    real = replace(federation, development=False)
    assert len({real.new_run_id(settings, 0) for _ in range(3)}) == 3


def test_the_public_pool_is_the_one_that_the_federation_names(small: SmallFederation, tmp_path: Path) -> None:
    federation, pool = small.federation(tmp_path), small.data.probe
    with pytest.raises(WrongUse, match="there is no file"):
        load_public_pool(federation)
    save_probe_pool(tmp_path / PROBE_FILE, pool)
    assert tuple(shard.digest() for shard in load_public_pool(federation)) == federation.probe_shards
    save_probe_pool(tmp_path / PROBE_FILE, pool[::-1])
    with pytest.raises(WrongUse, match="is not the probe pool of this federation; copy that of a participant there"):
        load_public_pool(federation)
