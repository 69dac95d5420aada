import copy
from typing import Any

import pytest
from eth_account import Account

from common.keystore import open_keystore

KEY = bytes(range(1, 33))


@pytest.fixture(params=["scrypt", "pbkdf2"])
def keystore(request: pytest.FixtureRequest) -> dict[str, Any]:
    return Account.encrypt(KEY, "a passphrase, ünïcode", kdf=request.param, iterations=2)


def test_what_eth_account_wrote_opens(keystore: dict[str, Any]) -> None:
    assert open_keystore(keystore, "a passphrase, ünïcode") == KEY


def test_another_passphrase_does_not_open_it(keystore: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the passphrase does not open it"):
        open_keystore(keystore, "a passphrase, unicode")


def test_a_counter_that_runs_over_is_read_as_eth_account_writes_it(keystore: dict[str, Any]) -> None:
    """The counter is one number of 128 bits: after the last comes 0."""
    altered = copy.deepcopy(keystore)
    altered["crypto"]["cipherparams"]["iv"] = "ff" * 16  # the code over the ciphertext does not cover it
    assert open_keystore(altered, "a passphrase, ünïcode") == bytes(Account.decrypt(altered, "a passphrase, ünïcode"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("cipher", "aes-128-cbc"), ("kdf", "argon2"), ("mac", "00" * 32), ("mac", "zz"), ("ciphertext", None)],
)
def test_a_damaged_one_is_refused(keystore: dict[str, Any], name: str, value: object) -> None:
    keystore["crypto"][name] = value
    with pytest.raises((ValueError, AttributeError)):
        open_keystore(keystore, "a passphrase, ünïcode")


def test_the_default_cost_of_a_real_keystore_is_met() -> None:
    keystore = Account.encrypt(KEY, "passphrase")
    assert keystore["crypto"]["kdfparams"]["n"] >= 2**17
    assert open_keystore(keystore, "passphrase") == KEY
