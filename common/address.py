"""Addresses of Ethereum accounts as text with their checksum (EIP-55)."""

import re

from eth_hash.auto import keccak

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


def checksum_address(address: bytes) -> str:
    """Return 20 bytes as text: a letter is a capital where the same place of the hash of the text has 8 or more."""
    digits = address.hex()
    capitals = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if place >= "8" else digit for digit, place in zip(digits, capitals, strict=False)
    )


def is_checksum_address(text: str) -> bool:
    """Say whether a text is an address with its checksum."""
    return _ADDRESS.fullmatch(text) is not None and checksum_address(bytes.fromhex(text[2:])) == text


def address_bytes(text: str) -> bytes:
    """Return the 20 bytes of an address.

    Raises:
        ValueError: the text is none.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise ValueError("not an address")
    return bytes.fromhex(text[2:])
