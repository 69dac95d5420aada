import json
import stat
from pathlib import Path

import pytest
from eth_account import Account

from common.account import (
    KEYSTORE_FILE,
    PASSPHRASE_FILE,
    SigningAccount,
    development_account,
    load_account,
    random_account,
    save_account,
)
from common.errors import WrongUse


@pytest.fixture
def saved(tmp_path: Path) -> SigningAccount:
    account = random_account()
    save_account(account, tmp_path, development=True)
    return account


def test_a_saved_account_comes_back(saved: SigningAccount, tmp_path: Path) -> None:
    assert load_account(tmp_path) == saved
    assert Account.from_key(saved.key).address == saved.address


def test_both_files_are_for_their_owner_alone(saved: SigningAccount, tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {KEYSTORE_FILE: 0o600, PASSPHRASE_FILE: 0o600}


def test_the_key_is_in_no_representation_and_not_readable_in_the_files(saved: SigningAccount, tmp_path: Path) -> None:
    for text in (repr(saved), str(saved), f"{saved}", repr([saved])):
        assert text.strip("[]") == f"SigningAccount({saved.address})"
    for path in tmp_path.iterdir():
        assert saved.key.hex() not in path.read_text()


def test_a_real_keystore_has_the_slow_key_stretching_and_a_development_one_has_not(tmp_path: Path) -> None:
    account = random_account()
    save_account(account, tmp_path / "real")
    save_account(account, tmp_path / "development", development=True)
    rounds = [
        json.loads((tmp_path / kind / KEYSTORE_FILE).read_text())["crypto"]["kdfparams"]["n"]
        for kind in ("real", "development")
    ]
    assert rounds[0] >= 2**17
    assert rounds[1] == 2


def test_development_accounts_repeat_and_differ_by_seed_and_index() -> None:
    assert development_account(1, 2) == development_account(1, 2)
    assert len({development_account(seed, index).address for seed in range(4) for index in range(4)}) == 16


def test_random_accounts_differ() -> None:
    assert random_account() != random_account()


@pytest.mark.parametrize("name", [KEYSTORE_FILE, PASSPHRASE_FILE])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b"\xff\xfe", b"wrong"])
def test_a_missing_or_damaged_file_is_one_sentence(
    saved: SigningAccount, tmp_path: Path, name: str, content: bytes | None
) -> None:
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WrongUse, match=f"The account in {tmp_path} cannot be opened .*; restore account.json"):
        load_account(tmp_path)
