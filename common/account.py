"""An on-chain account as files: keystore v3 in account.json, its passphrase in account.pass, both mode 600."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.errors import WrongUse
from common.keystore import open_keystore
from common.recoverable_signature import address_of_key

KEYSTORE_FILE = "account.json"
PASSPHRASE_FILE = "account.pass"  # noqa: S105 - a file name
MOST_SCRYPT_BYTES, MOST_SCRYPT_P, MOST_PBKDF2_ROUNDS = 512 << 20, 8, 10_000_000
"""What opening a keystore may cost: twice the memory of the usual scrypt, ten times the usual PBKDF2. The file itself
says what it costs, and a changed one could ask for all memory or for ever."""

_DEVELOPMENT_SCRYPT_N = 2  # the key can be derived by anyone from the seed: stretching its passphrase buys nothing


@dataclass(frozen=True)
class SigningAccount:
    """An address with the key that signs for it. The key never appears in a representation of this object."""

    address: str
    key: bytes

    def __repr__(self) -> str:
        return f"SigningAccount({self.address})"


def development_account(seed: int, index: int) -> SigningAccount:
    """Return the publicly known account keccak256("tfedrs-dev" || seed as u64be || index as u64be).

    It repeats, so that two runs of one seed agree. It must never hold anything of value: the launcher uses it only
    on a chain that it started itself.
    """
    return _account(keccak(b"tfedrs-dev" + seed.to_bytes(8, "big") + index.to_bytes(8, "big")))


def random_account() -> SigningAccount:
    """Return an account whose key comes from the operating system's entropy."""
    return _account(secrets.token_bytes(32))


def save_account(account: SigningAccount, folder: Path, *, development: bool = False) -> None:
    """Write keystore and passphrase; a development account skips the slow key stretching."""
    from eth_account import Account  # noqa: PLC0415 - takes 0.5 s, and a client process never writes an account

    passphrase = secrets.token_hex(32)
    iterations = _DEVELOPMENT_SCRYPT_N if development else None
    keystore = Account.encrypt(account.key, passphrase, iterations=iterations)
    write_atomically(folder / PASSPHRASE_FILE, passphrase.encode(), private=True)
    write_atomically(folder / KEYSTORE_FILE, json.dumps(keystore).encode(), private=True)


def load_account(folder: Path) -> SigningAccount:
    """Read keystore and passphrase from a participant's folder.

    Raises:
        WrongUse: a file is missing, unreadable, or the passphrase does not open the keystore.
    """
    try:
        keystore = parse_json((folder / KEYSTORE_FILE).read_bytes())
        passphrase = (folder / PASSPHRASE_FILE).read_text().strip()
        _check_cost(keystore)
        return _account(open_keystore(keystore, passphrase))
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise WrongUse(
            f"The account in {folder} cannot be opened ({error}); restore {KEYSTORE_FILE} and {PASSPHRASE_FILE}."
        ) from error


def _check_cost(keystore: Any) -> None:
    if keystore["version"] != 3:
        raise ValueError("it is no keystore of version 3")
    parameters = keystore["crypto"]["kdfparams"]
    if any(key != key.lower() for part in (keystore, keystore["crypto"], parameters) for key in part):
        raise ValueError("its keys are not in lower case")  # what reads it would take "N" for "n"
    if not all(type(value) is int and value >= 1 for key, value in parameters.items() if key in ("n", "r", "p", "c")):
        raise ValueError("the cost of its key is no number")
    scrypt_bytes = 128 * parameters.get("n", 1) * parameters.get("r", 1)
    rounds = parameters.get("c", 1)
    if scrypt_bytes > MOST_SCRYPT_BYTES or parameters.get("p", 1) > MOST_SCRYPT_P or rounds > MOST_PBKDF2_ROUNDS:
        raise ValueError("its key would take too much memory or time")
    if parameters.get("dklen", 32) != 32:
        raise ValueError("its key has another length than 32 bytes")


def _account(key: bytes) -> SigningAccount:
    return SigningAccount(address_of_key(key), key)
