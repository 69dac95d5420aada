"""The embedded chain's values as the Ethereum JSON-RPC specification writes them, and back.

Quantities are minimal hex numbers, data is whole bytes in hex, addresses are checksummed.
"""

from typing import Any

from eth_utils.address import to_canonical_address, to_checksum_address

from launch.evm_records import BLOCK_GAS_LIMIT, CHAIN_ID, Call, MinedTransaction

Json = dict[str, Any]

_EMPTY_BLOOM = bytes(256)


def quantity(value: int) -> str:
    """Write a number."""
    return hex(value)


def as_data(value: bytes) -> str:
    """Write bytes."""
    return f"0x{value.hex()}"


def as_bytes(value: str) -> bytes:
    """Read bytes.

    Raises:
        ValueError: the text is not hexadecimal.
    """
    return bytes.fromhex(value.removeprefix("0x"))


def call_from(fields: Json) -> Call:
    """Read the transaction object of `eth_call` and `eth_estimateGas`."""
    sender, to = fields.get("from"), fields.get("to")
    return Call(
        sender=to_canonical_address(sender) if sender else bytes(20),
        to=to_canonical_address(to) if to else b"",
        value=int(fields.get("value", "0x0"), 16),
        data=as_bytes(fields.get("data") or fields.get("input") or "0x"),
        gas_limit=min(int(fields.get("gas", hex(BLOCK_GAS_LIMIT)), 16), BLOCK_GAS_LIMIT),
    )


def block_fields(header: Any, mined: MinedTransaction | None, full: bool) -> Json:
    """Write a block: py-evm's header and the transaction in it, whole or as its hash."""
    transactions: list[object] = []
    if mined is not None:
        transactions.append(transaction_fields(mined) if full else as_data(mined.hash))
    return {
        "number": quantity(header.block_number),
        "hash": as_data(header.hash),
        "parentHash": as_data(header.parent_hash),
        "nonce": as_data(header.nonce),
        "sha3Uncles": as_data(header.uncles_hash),
        "logsBloom": as_data(header.bloom.to_bytes(256, "big")),
        "transactionsRoot": as_data(header.transaction_root),
        "stateRoot": as_data(header.state_root),
        "receiptsRoot": as_data(header.receipt_root),
        "miner": to_checksum_address(header.coinbase),
        "difficulty": "0x0",
        "extraData": as_data(header.extra_data),
        "size": "0x0",
        "gasLimit": quantity(BLOCK_GAS_LIMIT),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "mixHash": as_data(header.mix_hash),
        "transactions": transactions,
        "uncles": [],
    }


def transaction_fields(mined: MinedTransaction) -> Json:
    """Write a mined transaction."""
    return {
        "hash": as_data(mined.hash),
        "nonce": quantity(mined.nonce),
        "blockHash": as_data(mined.block_hash),
        "blockNumber": quantity(mined.block_number),
        "transactionIndex": "0x0",
        "from": to_checksum_address(mined.sender),
        "to": to_checksum_address(mined.to) if mined.to else None,
        "value": quantity(mined.value),
        "gas": quantity(mined.gas_limit),
        "gasPrice": quantity(mined.gas_price),
        "input": as_data(mined.data),
        "type": quantity(mined.kind),
        "chainId": quantity(CHAIN_ID),
    }


def receipt_fields(mined: MinedTransaction) -> Json:
    """Write a receipt. The bloom filter is empty: nobody searches one block by it."""
    return {
        "transactionHash": as_data(mined.hash),
        "transactionIndex": "0x0",
        "blockHash": as_data(mined.block_hash),
        "blockNumber": quantity(mined.block_number),
        "from": to_checksum_address(mined.sender),
        "to": to_checksum_address(mined.to) if mined.to else None,
        "cumulativeGasUsed": quantity(mined.gas_used),
        "gasUsed": quantity(mined.gas_used),
        "effectiveGasPrice": quantity(mined.gas_price),
        "contractAddress": to_checksum_address(mined.created) if mined.created else None,
        "logs": log_fields(mined),
        "logsBloom": as_data(_EMPTY_BLOOM),
        "status": quantity(int(mined.succeeded)),
        "type": quantity(mined.kind),
    }


def log_fields(mined: MinedTransaction) -> list[Json]:
    """Write the events of a transaction, in order."""
    return [
        {
            "address": to_checksum_address(log.address),
            "topics": [as_data(topic) for topic in log.topics],
            "data": as_data(log.data),
            "blockNumber": quantity(mined.block_number),
            "blockHash": as_data(mined.block_hash),
            "transactionHash": as_data(mined.hash),
            "transactionIndex": "0x0",
            "logIndex": quantity(index),
            "removed": False,
        }
        for index, log in enumerate(mined.logs)
    ]


def log_matches(log: Json, addresses: set[str], topics: list[str | list[str] | None]) -> bool:
    """Apply the filter of eth_getLogs: topics by position, None for any, a list for either."""
    if addresses and log["address"].lower() not in addresses:
        return False
    if len(topics) > len(log["topics"]):
        return False
    return all(
        wanted is None or have in ([wanted] if isinstance(wanted, str) else wanted)
        for wanted, have in zip(topics, log["topics"], strict=False)
    )
