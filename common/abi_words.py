"""Solidity's `abi.encode` of values that take one 32-byte word each, which is all that clients sign and hash.

`eth-abi` encodes everything, but its import takes 0.2 s of a core, and every message starts a process per client. A
test compares the two.
"""

from collections.abc import Sequence

from common.address import address_bytes


def encode_words(types: Sequence[str], values: Sequence[object]) -> bytes:
    """Return one word a value.

    Args:
        types: "bytes32", "address", and "uint" or "int" with a size, such as "uint64".
        values: 32 bytes, an address as text, or a whole number that the type can hold.

    Raises:
        ValueError: a value is not one of its type.
    """
    return b"".join(_word(kind, value) for kind, value in zip(types, values, strict=True))


def _word(kind: str, value: object) -> bytes:
    if kind == "bytes32" and isinstance(value, bytes) and len(value) == 32:
        return value
    if kind == "address" and isinstance(value, str):
        return bytes(12) + address_bytes(value)
    if kind.startswith(("uint", "int")) and isinstance(value, int) and not isinstance(value, bool):
        signed = kind.startswith("int")
        bits = int(kind.removeprefix("u").removeprefix("int"))
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if least <= value <= most:
            return value.to_bytes(32, "big", signed=signed)
    raise ValueError(f"not a value of the type {kind}")
