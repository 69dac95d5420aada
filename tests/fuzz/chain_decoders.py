"""The embedded chain: its journal and its JSON-RPC."""

import json
from functools import cache
from pathlib import Path

from eth_account import Account

from common.errors import EnvironmentFailure
from launch.chain_journal import BlockEntry, ChainJournal
from launch.embedded_rpc import EmbeddedNode
from launch.evm_records import CHAIN_ID
from tests.fuzz.corpora import RUN_ID
from tests.fuzz.decoder import Decoder, file_decoder
from tests.fuzz.mutations import (
    mutated_json,
    mutated_lines,
)

_GENESIS_TIME = 1_700_000_000


def chain(scratch: Path) -> list[Decoder]:
    folder = scratch / "chain"
    path = folder / "journal.jsonl"
    account = Account.from_key(RUN_ID)
    transfer = _transfer(account, 0)
    journal = ChainJournal.open(path, CHAIN_ID, _GENESIS_TIME)
    node = EmbeddedNode(journal)
    for method, parameters in (
        ("anvil_setBalance", [account.address, hex(10**20)]),
        ("eth_sendRawTransaction", [transfer]),
    ):
        node.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    journal.close()
    valid = path.read_bytes()
    line = valid.splitlines()[2]

    def replay() -> object:
        opened = ChainJournal.open(path, CHAIN_ID, _GENESIS_TIME)
        try:
            return EmbeddedNode(opened)
        finally:
            opened.close()

    @cache
    def serving() -> EmbeddedNode:
        """One that lives as long as the process that reads."""
        return EmbeddedNode(ChainJournal.open(scratch / "served" / "journal.jsonl", CHAIN_ID, _GENESIS_TIME))

    def answered(data: bytes) -> object:
        return json.dumps(serving().answer_body(data)).encode()

    return [
        Decoder(
            "journal line",
            ("launch.chain_journal:BlockEntry.from_line",),
            [line],
            mutated_json,
            BlockEntry.from_line,
            (ValueError, KeyError, TypeError, OverflowError, UnicodeDecodeError, json.JSONDecodeError),
        ),
        file_decoder(
            path,
            ("launch.chain_journal:ChainJournal.open",),
            [valid],
            mutated_lines,
            replay,
            (EnvironmentFailure,),
            most_seconds=3.0,
            share=0.2,
            base_bytes=32 << 20,
        ),
        Decoder(
            "chain request",
            ("launch.embedded_rpc:EmbeddedNode.answer", "launch.embedded_rpc:EmbeddedNode.answer_body"),
            [json.dumps(request).encode() for request in _requests(account, transfer)],
            mutated_json,
            answered,
            (),
            # A call may use a whole block's gas; py-evm takes its time for it.
            most_seconds=60.0,
            base_bytes=64 << 20,
            share=0.5,
        ),
    ]


def _transfer(account: object, nonce: int) -> str:
    fields = {
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
    }
    return "0x" + bytes(account.sign_transaction(fields).raw_transaction).hex()  # type: ignore[attr-defined]


def _requests(account: object, transfer: str) -> list[object]:
    address = account.address  # type: ignore[attr-defined]
    call = {"from": address, "to": "0x" + "22" * 20, "data": "0x1234", "value": "0x0", "gas": "0x5208"}
    calls: list[tuple[str, list[object]]] = [
        ("anvil_setBalance", [address, hex(10**20)]),
        ("eth_sendRawTransaction", [transfer]),
        ("eth_call", [call, "latest"]),
        ("eth_estimateGas", [call]),
        ("eth_feeHistory", ["0x5", "latest", [10.0, 50.0]]),
        ("eth_getBalance", [address, "latest"]),
        ("eth_getBlockByHash", ["0x" + "00" * 32, False]),
        ("eth_getBlockByNumber", ["0x1", True]),
        ("eth_getCode", [address, "latest"]),
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest", "address": [address], "topics": [None, ["0x00"]]}]),
        ("eth_getStorageAt", [address, "0x0", "latest"]),
        ("eth_getTransactionByHash", ["0x" + "00" * 32]),
        ("eth_getTransactionReceipt", ["0x" + "00" * 32]),
        ("eth_getTransactionCount", [address, "pending"]),
        ("evm_increaseTime", [60]),
        ("evm_mine", []),
        ("eth_chainId", []),
    ]
    made: list[object] = [{"jsonrpc": "2.0", "id": 1, "method": name, "params": given} for name, given in calls]
    return [*made, made[-3:]]
