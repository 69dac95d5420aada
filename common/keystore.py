"""Opens Ethereum's keystores of version 3 (the Web3 Secret Storage Definition).

`eth-account` opens them too, but its import takes half a second of a core, and every message starts a process per
client. It still writes them; tests open with each what the other wrote.
"""

import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from eth_hash.auto import keccak

_KEY_BYTES = 32


def open_keystore(keystore: Any, passphrase: str) -> bytes:
    """Return the private key, 32 bytes.

    Version, length of the key, and what the keystore asks for in memory and time are not looked at here:
    `common/account.py` does so first.

    Raises:
        ValueError, TypeError, LookupError, AttributeError, ArithmeticError: the keystore is malformed, or is not opened
            by this passphrase.
    """
    crypto = keystore["crypto"]
    if crypto["cipher"] != "aes-128-ctr":
        raise ValueError("its cipher is not aes-128-ctr")
    derived = _derived_key(crypto["kdf"], crypto["kdfparams"], passphrase.encode())
    ciphertext = _bytes(crypto["ciphertext"])
    if not hmac.compare_digest(keccak(derived[16:32] + ciphertext), _bytes(crypto["mac"])):
        raise ValueError("the passphrase does not open it")
    decryptor = Cipher(AES(derived[:16]), CTR(_bytes(crypto["cipherparams"]["iv"]).rjust(16, b"\0"))).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _derived_key(function: str, parameters: Any, passphrase: bytes) -> bytes:
    salt = _bytes(parameters["salt"])
    if function == "scrypt":
        n, r, p = (int(parameters[name]) for name in ("n", "r", "p"))
        memory = 128 * r * (n + p + 2) + 65536  # what OpenSSL counts, which refuses more than it is told
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=_KEY_BYTES)
    if function == "pbkdf2" and parameters["prf"] == "hmac-sha256":
        return hashlib.pbkdf2_hmac("sha256", passphrase, salt, int(parameters["c"]), _KEY_BYTES)
    raise ValueError("its key is derived neither by scrypt nor by pbkdf2 with hmac-sha256")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
