"""What goes into the embedded EVM and what comes out of it, free of py-evm's own types."""

from dataclasses import dataclass

CHAIN_ID = 31337
BLOCK_GAS_LIMIT = 30_000_000
_ZERO_ADDRESS = bytes(20)


class InvalidTransaction(Exception):
    """A transaction that cannot enter a block, such as one with a nonce already used."""


class ExecutionFailed(Exception):
    """A call that ended in an error. `output` is what the contract gave back, empty for an exhausted gas limit."""

    def __init__(self, output: bytes, reason: str) -> None:
        super().__init__(reason)
        self.output = output


@dataclass(frozen=True)
class Log:
    """One event as the chain stores it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class MinedTransaction:
    """A transaction in its block; blocks hold at most one, so index and cumulative gas need no place here."""

    hash: bytes
    sender: bytes
    to: bytes
    nonce: int
    value: int
    gas_limit: int
    data: bytes
    kind: int
    """0 legacy, 1 access list, 2 dynamic fee, as in EIP-2718."""
    gas_price: int
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    created: bytes | None
    """Address of the contract that a deployment made."""
    logs: tuple[Log, ...]


@dataclass(frozen=True)
class Call:
    """What `eth_call` and `eth_estimateGas` execute; an empty `to` is a deployment."""

    sender: bytes = _ZERO_ADDRESS
    to: bytes = b""
    value: int = 0
    data: bytes = b""
    gas_limit: int = BLOCK_GAS_LIMIT
