"""Signatures on secp256k1 from which the signer's address follows, as Ethereum's `ecrecover` reads them.

This is what `eth-account` calls below its own layers, whose import takes half a second of a core, most of it for
curves that nobody here uses, while every message starts a process per client. A test compares the bytes.
"""

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

from common.address import checksum_address

SIGNATURE_BYTES = 65
_FIRST_V = 27


def sign_hash(message_hash: bytes, key: bytes) -> bytes:
    """Return r || s || v with v 27 or 28; the nonce follows from key and hash (RFC 6979), so the bytes repeat.

    Raises:
        ValueError: the hash or the key has not 32 bytes, or the key is none of the curve.
    """
    signature = PrivateKey(key).sign_recoverable(message_hash, hasher=None)
    return signature[:64] + bytes([signature[64] + _FIRST_V])


def signer_of(message_hash: bytes, signature: bytes) -> str:
    """Return the address whose key signed.

    Args:
        message_hash: 32 bytes.
        signature: 65 bytes, v 27 or 28.

    Raises:
        ValueError: no key gives this signature.
    """
    try:
        public_key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - _FIRST_V]), message_hash, hasher=None
        )
    except Exception as error:  # coincurve raises the base class itself
        raise ValueError("the signature is malformed") from error
    return _address(public_key)


def address_of_key(key: bytes) -> str:
    """Return the address that a private key signs for.

    Raises:
        ValueError: it is no key of the curve.
    """
    if len(key) != 32:
        raise ValueError(f"a key has 32 bytes, not {len(key)}")
    return _address(PrivateKey(key).public_key)


def _address(public_key: PublicKey) -> str:
    return checksum_address(keccak(public_key.format(compressed=False)[1:])[-20:])
