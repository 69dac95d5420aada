"""The embedded chain's JSON-RPC methods: those that web3.py needs, and three that development chains share.

Field names and encodings are those of the Ethereum JSON-RPC specification (quantities as minimal hex, data as whole
bytes). Failures are answered as a node answers them: code 3 with the contract's output for a revert, -32000 for a
transaction that cannot be mined, -32601 and -32602 for unknown methods and malformed parameters.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from eth_utils.address import to_canonical_address

from common.bounded_json import parse_json
from common.errors import EnvironmentFailure
from launch.chain_journal import BlockEntry, ChainJournal
from launch.embedded_evm import NONSENSE, EmbeddedEvm
from launch.embedded_json import (
    Json,
    as_bytes,
    as_data,
    block_fields,
    call_from,
    log_fields,
    log_matches,
    quantity,
    receipt_fields,
    transaction_fields,
)
from launch.evm_records import CHAIN_ID, ExecutionFailed, InvalidTransaction

PRIORITY_FEE_WEI = 1_000_000_000
MOST_IN_A_BATCH = 1000


class EmbeddedNode:
    """The chain, its journal and its clock behind JSON-RPC requests. One request at a time."""

    def __init__(self, journal: ChainJournal) -> None:
        """Replay the journal.

        Raises:
            EnvironmentFailure: a block does not come out with the hash that the journal holds.
        """
        self._journal = journal
        try:
            self._evm = EmbeddedEvm(journal.genesis_time)
        except (*NONSENSE, OverflowError) as error:
            raise EnvironmentFailure(
                f"No chain can begin as the first line of {journal.path} says ({error}); restore that file."
            ) from error
        self._seconds_ahead = 0
        for entry in journal.entries_at_opening:
            self._replay(entry)
        self._methods: dict[str, Callable[..., object]] = {
            "anvil_setBalance": self._set_balance,
            "eth_accounts": list,
            "eth_blockNumber": lambda: quantity(self._evm.head.block_number),
            "eth_call": self._call,
            "eth_chainId": lambda: quantity(CHAIN_ID),
            "eth_estimateGas": self._estimate_gas,
            "eth_feeHistory": self._fee_history,
            "eth_gasPrice": lambda: quantity(self._evm.head.base_fee_per_gas + PRIORITY_FEE_WEI),
            "eth_getBalance": lambda account, block="latest": quantity(
                self._evm.balance(to_canonical_address(account), self._number(block))
            ),
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getCode": lambda account, block="latest": as_data(
                self._evm.code(to_canonical_address(account), self._number(block))
            ),
            "eth_getLogs": self._logs,
            "eth_getStorageAt": lambda account, slot, block="latest": as_data(
                self._evm.storage(to_canonical_address(account), int(slot, 16), self._number(block)).to_bytes(32, "big")
            ),
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionCount": lambda account, block="latest": quantity(
                self._evm.nonce(to_canonical_address(account), self._number(block))
            ),
            "eth_getTransactionReceipt": self._receipt,
            "eth_maxPriorityFeePerGas": lambda: quantity(PRIORITY_FEE_WEI),
            "eth_sendRawTransaction": self._send_raw_transaction,
            "eth_syncing": lambda: False,
            "evm_increaseTime": self._increase_time,
            "evm_mine": self._mine,
            "net_version": lambda: str(CHAIN_ID),
            "web3_clientVersion": lambda: "tfedrs-embedded",
        }

    def answer_body(self, body: bytes) -> object:
        """Answer the body of an HTTP request: one request object, or a batch of at most `MOST_IN_A_BATCH`."""
        try:
            request = parse_json(body)
        except ValueError:
            return _failure(None, -32700, "the body is no JSON")
        if not isinstance(request, list):
            return self.answer(request)
        if len(request) > MOST_IN_A_BATCH:
            return _failure(None, -32600, f"a batch holds at most {MOST_IN_A_BATCH} requests")
        return [self.answer(each) for each in request]

    def answer(self, request: object) -> Json:
        """Answer one request object."""
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return _failure(None, -32600, "not a JSON-RPC request")
        identity, name, parameters = request.get("id"), request["method"], request.get("params", [])
        method = self._methods.get(name)
        if method is None:
            return _failure(identity, -32601, f"the method {name} is not available on the embedded chain")
        try:
            return {"jsonrpc": "2.0", "id": identity, "result": method(*parameters)}
        except ExecutionFailed as error:
            return _failure(identity, 3, f"execution reverted: {error}", as_data(error.output))
        except InvalidTransaction as error:
            return _failure(identity, -32000, str(error))
        except (*NONSENSE, KeyError, AttributeError, OverflowError) as error:
            return _failure(identity, -32602, f"invalid parameters for {name}: {error}")

    # Writes: every block is made, then journalled, then acknowledged.

    def _send_raw_transaction(self, raw: str) -> str:
        content, at = as_bytes(raw), self._next_time()
        mined = self._evm.mine_transaction(content, at)
        self._journal.append(BlockEntry(at, mined.block_hash, raw_transaction=content))
        return as_data(mined.hash)

    def _set_balance(self, account: str, wei: str) -> None:
        at, address = self._next_time(), to_canonical_address(account)
        self._evm.mine_balance(address, int(wei, 16), at)
        self._journal.append(BlockEntry(at, self._evm.head.hash, funded_account=address, balance_wei=int(wei, 16)))

    def _mine(self) -> str:
        at = self._next_time()
        self._evm.mine_empty(at)
        self._journal.append(BlockEntry(at, self._evm.head.hash))
        return "0x0"

    def _increase_time(self, seconds: int | str) -> str:
        # From the newest block on: every block is later than the last, so many quick ones run ahead of the clock.
        ahead = max(self._seconds_ahead, int(self._evm.head.timestamp) - int(time.time()))
        self._seconds_ahead = ahead + (int(seconds, 16) if isinstance(seconds, str) else int(seconds))
        return quantity(self._seconds_ahead)

    def _replay(self, entry: BlockEntry) -> None:
        try:
            if entry.raw_transaction is not None:
                self._evm.mine_transaction(entry.raw_transaction, entry.time)
            elif entry.funded_account is not None:
                self._evm.mine_balance(entry.funded_account, entry.balance_wei, entry.time)
            else:
                self._evm.mine_empty(entry.time)
            replayed = self._evm.head.hash == entry.block_hash
        except (InvalidTransaction, *NONSENSE, OverflowError):
            replayed = False
        if not replayed:
            raise EnvironmentFailure(
                f"Block {self._evm.head.block_number} of {self._journal.path} does not replay to its hash; "
                "the journal was changed or was written by another version of the EVM."
            )

    def _next_time(self) -> int:
        return max(int(time.time()) + self._seconds_ahead, int(self._evm.head.timestamp) + 1)

    # Reads.

    def _call(self, fields: Json, block: str | Json = "latest", *_overrides: object) -> str:
        return as_data(self._evm.call(call_from(fields), self._number(block), self._next_time()))

    def _estimate_gas(self, fields: Json, _block: str | Json = "latest") -> str:
        return quantity(self._evm.estimate_gas(call_from(fields), self._next_time()))

    def _fee_history(self, count: int | str, newest: str, percentiles: list[float] | None = None) -> Json:
        last = min(self._number(newest), self._evm.head.block_number)
        first = max(0, last + 1 - (int(count, 16) if isinstance(count, str) else count))
        headers = [header for number in range(first, last + 1) if (header := self._evm.header(number))]
        history: Json = {
            "oldestBlock": quantity(first),
            "baseFeePerGas": [quantity(header.base_fee_per_gas) for header in [*headers, headers[-1]]],
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        }
        if percentiles:
            history["reward"] = [[quantity(PRIORITY_FEE_WEI)] * len(percentiles) for _ in headers]
        return history

    def _block_by_number(self, block: str, full: bool = False) -> Json | None:
        header = self._evm.header(self._number(block))
        return None if header is None else self._block(header, full)

    def _block_by_hash(self, block_hash: str, full: bool = False) -> Json | None:
        wanted = as_bytes(block_hash)
        for number in range(self._evm.head.block_number, -1, -1):
            header = self._evm.header(number)
            if header is not None and header.hash == wanted:
                return self._block(header, full)
        return None

    def _block(self, header: Any, full: bool) -> Json:
        return block_fields(header, self._evm.transaction_in(header.block_number), full)

    def _transaction(self, transaction_hash: str) -> Json | None:
        mined = self._evm.transaction(as_bytes(transaction_hash))
        return None if mined is None else transaction_fields(mined)

    def _receipt(self, transaction_hash: str) -> Json | None:
        mined = self._evm.transaction(as_bytes(transaction_hash))
        return None if mined is None else receipt_fields(mined)

    def _logs(self, wanted: Json) -> list[Json]:
        first, last = self._number(wanted.get("fromBlock", "latest")), self._number(wanted.get("toBlock", "latest"))
        addresses = wanted.get("address", [])
        accepted = {each.lower() for each in ([addresses] if isinstance(addresses, str) else addresses)}
        topics = wanted.get("topics", [])
        found = []
        for number in range(first, min(last, self._evm.head.block_number) + 1):
            mined = self._evm.transaction_in(number)
            if mined is not None:
                found += [log for log in log_fields(mined) if log_matches(log, accepted, topics)]
        return found

    def _number(self, block: str | Mapping[str, str]) -> int:
        """Block number of a tag or a quantity; blocks are final at once, so every tag but one means the newest."""
        if not isinstance(block, str):
            raise ValueError("blocks are named by number here")
        if block == "earliest":
            return 0
        if block in ("latest", "pending", "safe", "finalized"):
            return int(self._evm.head.block_number)
        return int(block, 16)


def _failure(identity: object, code: int, message: str, data: str | None = None) -> Json:
    error: Json = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": identity, "error": error}
