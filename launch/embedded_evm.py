"""An Ethereum chain inside one Python process: py-evm, with one block for every transaction.

It keeps everything in memory. What makes it last is the journal (`launch/chain_journal.py`): a block follows from
its parent, its time and its content alone, so replaying the journal gives the same blocks, hashes included.
"""

from dataclasses import replace
from typing import Any

from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH, POST_MERGE_DIFFICULTY, POST_MERGE_MIX_HASH, ZERO_ADDRESS
from eth.db import get_db_backend
from eth.exceptions import PyEVMError
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_keys.exceptions import BadSignature
from eth_typing import BlockNumber
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from launch.evm_records import (
    BLOCK_GAS_LIMIT,
    CHAIN_ID,
    Call,
    ExecutionFailed,
    InvalidTransaction,
    Log,
    MinedTransaction,
)

# A call may forward at most 63/64 of its gas, so a limit that equals what a run used can be too low further down.
FORWARDED_GAS_MARGIN = 64 / 63


# What py-evm and its parsers raise for values that make no sense, malformed bytes above all.
NONSENSE = (ValidationError, BadSignature, PyEVMError, RLPException, ValueError, TypeError, IndexError)


class _Chain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), PragueVM),)

    def create_header_from_parent(self, parent_header: Any, **fields: Any) -> Any:
        """Keep the gas limit: py-evm would let it drift towards its own target."""
        return super().create_header_from_parent(parent_header, **{**fields, "gas_limit": parent_header.gas_limit})


class EmbeddedEvm:
    """The chain. Not safe for two threads at once: the server holds a lock around it."""

    def __init__(self, genesis_time: int) -> None:
        genesis: Any = {
            "coinbase": ZERO_ADDRESS,
            "difficulty": POST_MERGE_DIFFICULTY,
            "extra_data": b"",
            "gas_limit": BLOCK_GAS_LIMIT,
            "mix_hash": POST_MERGE_MIX_HASH,
            "nonce": b"\x00" * 8,
            "receipt_root": BLANK_ROOT_HASH,
            "timestamp": genesis_time,
            "transaction_root": BLANK_ROOT_HASH,
        }
        self._chain: Any = _Chain.from_genesis(get_db_backend(), genesis, {})
        self._transactions: dict[bytes, MinedTransaction] = {}
        self._by_block: dict[int, MinedTransaction] = {}

    @property
    def head(self) -> Any:
        """Header of the newest block (py-evm's type)."""
        return self._chain.get_canonical_head()

    def header(self, number: int) -> Any | None:
        """Header of one block, or None beyond the newest."""
        if not 0 <= number <= self.head.block_number:
            return None
        return self._chain.get_canonical_block_header_by_number(number)

    def transaction(self, transaction_hash: bytes) -> MinedTransaction | None:
        """Return a mined transaction; there are no pending ones."""
        return self._transactions.get(transaction_hash)

    def transaction_in(self, number: int) -> MinedTransaction | None:
        """Return the transaction of one block, or None for an empty block."""
        return self._by_block.get(number)

    def mine_transaction(self, raw: bytes, time: int) -> MinedTransaction:
        """Put a signed transaction into a block of its own, whether it succeeds or reverts.

        Args:
            raw: The signed bytes of `eth_sendRawTransaction`.
            time: Unix time of the block in seconds, later than the newest block's.

        Raises:
            InvalidTransaction: it cannot enter a block; the chain is as before.
        """
        try:
            transaction = self._chain.get_vm().get_transaction_builder().decode(raw)
            sender = transaction.sender
            self._chain.set_header_timestamp(time)
            self._check_nonce(sender, transaction.nonce)
            _, receipt, computation = self._chain.apply_transaction(transaction)
        except NONSENSE as error:
            raise InvalidTransaction(str(error)) from error
        block = self._mine()
        mined = MinedTransaction(
            hash=transaction.hash,
            sender=sender,
            to=transaction.to,
            nonce=transaction.nonce,
            value=transaction.value,
            gas_limit=transaction.gas,
            data=transaction.data,
            kind=getattr(transaction, "type_id", 0) or 0,
            gas_price=_gas_price(transaction, block.header.base_fee_per_gas),
            block_number=block.number,
            block_hash=block.hash,
            succeeded=computation.is_success,
            gas_used=receipt.gas_used,
            created=computation.msg.storage_address if transaction.to == b"" else None,
            logs=tuple(
                Log(log.address, tuple(topic.to_bytes(32, "big") for topic in log.topics), log.data)
                for log in receipt.logs
            ),
        )
        self._transactions[mined.hash] = mined
        self._by_block[mined.block_number] = mined
        return mined

    def mine_balance(self, account: bytes, wei: int, time: int) -> None:
        """Set an account's balance in a block of its own, as a development chain may."""
        self._chain.set_header_timestamp(time)
        vm = self._chain.get_vm()
        vm.state.set_balance(account, wei)
        vm.state.persist()
        self._chain.header = self._chain.header.copy(state_root=vm.state.state_root)
        self._mine()

    def mine_empty(self, time: int) -> None:
        """Add an empty block, which only moves the time on."""
        self._chain.set_header_timestamp(time)
        self._mine()

    def balance(self, account: bytes, number: int) -> int:
        """Balance in wei after block `number`."""
        return int(self._state(number).get_balance(account))

    def nonce(self, account: bytes, number: int) -> int:
        """Transactions the account has sent up to block `number`."""
        return int(self._state(number).get_nonce(account))

    def code(self, account: bytes, number: int) -> bytes:
        """Return the contract's code after block `number`, empty where there is none."""
        return bytes(self._state(number).get_code(account))

    def storage(self, account: bytes, slot: int, number: int) -> int:
        """One storage slot after block `number`."""
        return int(self._state(number).get_storage(account, slot))

    def call(self, call: Call, number: int, time: int) -> bytes:
        """Execute without changing anything, on the state after block `number`, as if at `time`.

        Raises:
            ExecutionFailed: the call reverted or ran out of gas.
            InvalidTransaction: the call could not even start.
        """
        computation, _ = self._execute(call, number, time)
        if computation.is_error:
            raise ExecutionFailed(bytes(computation.output), _reason(computation))
        return bytes(computation.output)

    def estimate_gas(self, call: Call, time: int) -> int:
        """Return a gas limit under which the call succeeds on the newest state.

        Raises:
            ExecutionFailed: it fails with any limit.
        """
        newest = self.head.block_number
        computation, consumed = self._execute(call, newest, time)
        if computation.is_error:
            raise ExecutionFailed(bytes(computation.output), _reason(computation))
        enough = min(int(consumed * FORWARDED_GAS_MARGIN) + 1, call.gas_limit)
        while enough < call.gas_limit:
            if not self._execute(replace(call, gas_limit=enough), newest, time)[0].is_error:
                break
            enough = min(enough * 5 // 4, call.gas_limit)
        return enough

    def _execute(self, call: Call, number: int, time: int) -> tuple[Any, int]:
        """Return py-evm's computation and the gas it consumed before refunds, the intrinsic gas included."""
        parent = self._chain.get_canonical_block_header_by_number(number)
        header = self._chain.create_header_from_parent(
            parent, timestamp=max(time, parent.timestamp + 1), coinbase=ZERO_ADDRESS
        )
        vm = self._chain.get_vm(header)
        fee = header.base_fee_per_gas
        unsigned = vm.get_transaction_builder().new_unsigned_dynamic_fee_transaction(
            chain_id=CHAIN_ID,
            nonce=vm.state.get_nonce(call.sender),
            max_priority_fee_per_gas=0,
            max_fee_per_gas=fee,
            gas=call.gas_limit,
            to=call.to,
            value=call.value,
            data=call.data,
            access_list=(),
        )
        # The sender needs no funds to ask: give it some in a state that is thrown away.
        vm.state.delta_balance(call.sender, fee * call.gas_limit)
        spoofed = SpoofTransaction(unsigned, from_=call.sender)
        try:
            computation = vm.state.apply_transaction(spoofed)
        except ValidationError as error:
            raise InvalidTransaction(str(error)) from error
        consumed = call.gas_limit - computation.get_gas_remaining()
        return computation, consumed

    def _state(self, number: int) -> Any:
        return self._chain.get_vm(self._chain.get_canonical_block_header_by_number(number)).state

    def _check_nonce(self, sender: bytes, nonce: int) -> None:
        due = self.nonce(sender, self.head.block_number)
        if nonce != due:
            raise ValidationError(f"nonce too {'low' if nonce < due else 'high'}: {nonce} given, {due} due")

    def _mine(self) -> Any:
        return self._chain.mine_block(coinbase=ZERO_ADDRESS)


def _gas_price(transaction: Any, base_fee: int) -> int:
    if hasattr(transaction, "max_fee_per_gas"):
        return int(min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + base_fee))
    return int(transaction.gas_price)


def _reason(computation: Any) -> str:
    return type(computation.error).__name__
