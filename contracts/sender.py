"""Sends transactions of one account, so that each is mined once even when the connection breaks in between."""

import time
from typing import Any

import requests
from eth_account import Account
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import TransactionNotFound, Web3RPCError
from web3.types import TxParams, TxReceipt

from common.errors import EnvironmentFailure
from contracts.chain_errors import ChainErrors, rpc_message

RECEIPT_TIMEOUT_SECONDS = 180.0
_FIRST_POLL_SECONDS = 0.005
_LONGEST_POLL_SECONDS = 1.0
_SEND_TRIES = 4

# Room for what changes between the estimate and the block: a warm slot turning cold, one more storage word.
_GAS_MARGIN = 1.2


class Sender:
    """One account that signs and sends; every send waits until its transaction is confirmed.

    The nonce is read from the chain before each send. As no send begins before the last one is confirmed, it can
    neither leave a gap, which some nodes queue without a word, nor go stale after a reorganisation. Another process
    may use the same key; only the very same call at the very same time counts as one.
    """

    def __init__(self, web3: Web3, errors: ChainErrors, private_key: bytes, confirmations: int = 1) -> None:
        """Prepare to send.

        Args:
            web3: A connection from `contracts.connection.connect`.
            errors: Translates what goes wrong, with the ABIs of the contracts that are called.
            private_key: 32 bytes.
            confirmations: Blocks that must hold a transaction, its own included; at least 1.
        """
        self._web3 = web3
        self._errors = errors
        self._account = Account.from_key(private_key)
        self._confirmations = confirmations
        self.address = str(self._account.address)

    def send(self, call: str, to: str | None, data: bytes) -> TxReceipt:
        """Send one transaction and wait for its confirmations.

        Args:
            call: What it does, for messages.
            to: The contract, or None to deploy one.
            data: Encoded call, or a contract's creation code with its arguments.

        Raises:
            ContractRefusal: the contract reverts; found before anything is sent, as a rule.
            EnvironmentFailure: the chain does not answer, rejects the transaction, or never mines it.
        """
        with self._errors.translated(call):
            transaction: TxParams = {
                "from": self._account.address,
                "data": HexBytes(data),
                "value": Web3.to_wei(0, "wei"),
            }
            if to is not None:
                transaction["to"] = Web3.to_checksum_address(to)
            # Raises what the contract would revert with.
            gas = int(self._web3.eth.estimate_gas(transaction) * _GAS_MARGIN)
            for _ in range(_SEND_TRIES):
                receipt = self._send_signed(self._sign(transaction, gas))
                if receipt is None:
                    continue  # somebody else used the nonce with this key: sign again with the next
                if receipt["status"] != 1:
                    self._raise_reverted(transaction, receipt)
                return receipt
        raise EnvironmentFailure(f"Another process keeps sending with account {self.address}; stop it and try again.")

    def _sign(self, transaction: TxParams, gas: int) -> Any:
        eth = self._web3.eth
        fields: dict[str, Any] = {key: value for key, value in transaction.items() if key != "from"}
        fields |= {"gas": gas, "chainId": eth.chain_id}
        fields["nonce"] = eth.get_transaction_count(self._account.address, "pending")
        base_fee = eth.get_block("latest").get("baseFeePerGas")
        if base_fee is None:
            fields["gasPrice"] = eth.gas_price
        else:
            priority_fee = eth.max_priority_fee
            fields |= {"maxPriorityFeePerGas": priority_fee, "maxFeePerGas": 2 * base_fee + priority_fee}
        return self._account.sign_transaction(fields)

    def _send_signed(self, signed: Any) -> TxReceipt | None:
        """Deliver signed bytes and wait; None where another transaction took the nonce.

        The hash is known before anything is sent, so a broken connection is followed by a look for it. Sending the
        same bytes again can never spend twice: their nonce is used up.
        """
        tries_left = _SEND_TRIES
        while True:
            try:
                self._web3.eth.send_raw_transaction(signed.raw_transaction)
            except (requests.ConnectionError, requests.Timeout):
                tries_left -= 1
                if self._receipt(signed.hash) is None:
                    if tries_left == 0:
                        raise
                    continue
            except Web3RPCError as error:
                if not self._is_known(signed.hash):
                    if "nonce too low" in rpc_message(error).lower():
                        return None
                    raise
            receipt = self._confirmed(signed.hash)
            if receipt is not None:
                return receipt

    def _confirmed(self, transaction_hash: HexBytes) -> TxReceipt | None:
        """Wait for the confirmations; None where a reorganisation threw the block away and it must be sent again."""
        deadline = time.monotonic() + RECEIPT_TIMEOUT_SECONDS
        pause = _FIRST_POLL_SECONDS
        mined_once = False
        while time.monotonic() < deadline:
            receipt = self._receipt(transaction_hash)
            if receipt is None and mined_once:
                return None
            if receipt is not None:
                mined_once = True
                deep_enough = self._confirmations == 1 or (
                    self._web3.eth.block_number >= receipt["blockNumber"] + self._confirmations - 1
                )
                # A receipt can outlive its block in a node's cache: ask for the block that is canonical now.
                if deep_enough and self._web3.eth.get_block(receipt["blockNumber"])["hash"] == receipt["blockHash"]:
                    return receipt
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_POLL_SECONDS)
        raise EnvironmentFailure(
            f"Transaction {transaction_hash.to_0x_hex()} was not confirmed on {self._errors.url} within "
            f"{RECEIPT_TIMEOUT_SECONDS:.0f} s; look at the chain, then start again: what was written is kept."
        )

    def _receipt(self, transaction_hash: HexBytes) -> TxReceipt | None:
        try:
            return self._web3.eth.get_transaction_receipt(transaction_hash)
        except TransactionNotFound:
            return None

    def _is_known(self, transaction_hash: HexBytes) -> bool:
        try:
            self._web3.eth.get_transaction(transaction_hash)
        except TransactionNotFound:
            return False
        return True

    def _raise_reverted(self, transaction: TxParams, receipt: TxReceipt) -> None:
        """Find out why a mined transaction failed: ask again, which raises the reason if it still holds.

        On the newest block, since a chain that forgets old states cannot answer for the block before the failure.
        """
        self._web3.eth.call(transaction)
        raise EnvironmentFailure(
            f"Transaction {receipt['transactionHash'].to_0x_hex()} failed on {self._errors.url} although it should "
            "not, perhaps for want of gas; try again."
        )
