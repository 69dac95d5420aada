"""The ledger on a real chain: any that speaks Ethereum's JSON-RPC. The only file of the server that uses web3.py.

Every write looks first whether the chain holds it already, by the events of its run and round, so that a resumed
coordinator repeats its calls without harm. What is read back is checked against the hash that the contract stores, and
answers against each other, so that no single answer of a node can be altered unnoticed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from eth_hash.auto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.types import EventData, TxReceipt

from common.errors import CheckFailed, WrongUse
from contracts.artifacts import load_artifact
from contracts.connection import connect
from contracts.deployment import Deployment, contract_errors
from contracts.refusal import ContractRefusal
from contracts.sender import Sender
from server.ledger import LedgerConflict, Receipt, RoundRecord, RunRecord, Settlement
from server.round_hash import committed_hash, opened_hash, run_hash, settled_hash

# The registry loops over the accounts of one call; a block's gas limit has to hold them.
ACCOUNTS_PER_REGISTRATION = 100

_ROUND_EVENTS = ("RoundOpened", "UpdatesCommitted", "RoundSettled")
_NO_HASH = bytes(32)


class ChainLedger:
    """Implements `server.ledger.Ledger`."""

    def __init__(
        self, url: str, deployment: Deployment, private_key: bytes | None = None, confirmations: int = 1
    ) -> None:
        """Connect and make sure that the contracts are there.

        Args:
            url: The chain's JSON-RPC address.
            deployment: Where the contracts are.
            private_key: Of the account that sends and pays gas. Without one the ledger can only be read.
            confirmations: Blocks that must hold a transaction, its own included. 1 is for development chains.

        Raises:
            WrongUse: the URL is none, or the chain is not the deployment's.
            EnvironmentFailure: the chain does not answer or lacks the contracts.
        """
        deployment.check(url)
        self._deployment = deployment
        self._web3 = connect(url)
        self._errors = contract_errors(url)
        self._token = self._contract("RewardToken", deployment.reward_token)
        self._registry = self._contract("ParticipantRegistry", deployment.participant_registry)
        self._ledger = self._contract("RoundLedger", deployment.round_ledger)
        self._sender = None if private_key is None else Sender(self._web3, self._errors, private_key, confirmations)

    @property
    def chain_id(self) -> int:
        """See `Ledger.chain_id`."""
        with self._errors.translated("eth_chainId"):
            return int(self._web3.eth.chain_id)

    @property
    def verifying_contract(self) -> str:
        """See `Ledger.verifying_contract`."""
        return self._deployment.round_ledger

    def run_count(self) -> int:
        """See `Ledger.run_count`."""
        return int(self._read(self._ledger, "runCount"))

    def open_run(
        self,
        run_id: bytes,
        settings_hash: bytes,
        seed_anchor: bytes,
        catalogue_hash: bytes,
        cohort_root: bytes,
    ) -> Receipt:
        """See `Ledger.open_run`."""
        content = (settings_hash, seed_anchor, catalogue_hash, cohort_root)
        for event in self._events(self._ledger, ["RunOpened"], run_id):
            if _words(event, "settingsHash", "seedAnchor", "catalogueHash", "cohortRoot") != content:
                raise LedgerConflict.over_run(run_id)
            return self._receipt_of(event)
        return self._write(self._ledger, "openRun", run_id, *content)

    def open_round(self, run_id: bytes, server_round: int, model_hash: bytes) -> Receipt:
        """See `Ledger.open_round`."""
        for event in self._round_events(run_id, server_round, "RoundOpened"):
            if _words(event, "modelHash") != (model_hash,):
                raise LedgerConflict.over_round(run_id, server_round, "another model hash")
            return self._receipt_of(event)
        return self._write(self._ledger, "openRound", run_id, server_round, model_hash)

    def commit_updates(self, run_id: bytes, server_round: int, commitment_root: bytes) -> Receipt:
        """See `Ledger.commit_updates`."""
        for event in self._round_events(run_id, server_round, "UpdatesCommitted"):
            if _words(event, "commitmentRoot") != (commitment_root,):
                raise LedgerConflict.over_round(run_id, server_round, "another commitment root")
            return self._receipt_of(event)
        return self._write(self._ledger, "commitUpdates", run_id, server_round, commitment_root)

    def settle_round(self, run_id: bytes, server_round: int, settlement: Settlement) -> Receipt:
        """See `Ledger.settle_round`."""
        for event in self._round_events(run_id, server_round, "RoundSettled"):
            if _settlement(event) != settlement:
                raise LedgerConflict.over_round(run_id, server_round, "another settlement")
            return self._receipt_of(event)
        words = (
            settlement.evidence_root,
            settlement.reputation_root,
            settlement.reward_root,
            settlement.next_model_hash,
            settlement.rewarded_wei,
        )
        return self._write(self._ledger, "settleRound", run_id, server_round, words)

    def run_record(self, run_id: bytes) -> RunRecord | None:
        """See `Ledger.run_record`."""
        for event in self._events(self._ledger, ["RunOpened"], run_id):
            settings_hash, seed_anchor, catalogue_hash, cohort_root = _words(
                event, "settingsHash", "seedAnchor", "catalogueHash", "cohortRoot"
            )
            hashed = run_hash(run_id, settings_hash, seed_anchor, catalogue_hash, cohort_root)
            if hashed != self._round_hash(run_id, 0):
                raise CheckFailed(f"The opening of run 0x{run_id.hex()} does not hash to what the contract stores.")
            return RunRecord(
                run_id, settings_hash, seed_anchor, catalogue_hash, cohort_root, opened=self._receipt_of(event)
            )
        self._require_nothing_recorded(run_id, 0)
        return None

    def round_record(self, run_id: bytes, server_round: int) -> RoundRecord | None:
        """See `Ledger.round_record`."""
        events = {event["event"]: event for event in self._round_events(run_id, server_round, *_ROUND_EVENTS)}
        if "RoundOpened" not in events:
            self._require_nothing_recorded(run_id, server_round)
            return None
        opened, committed, settled = (events.get(name) for name in _ROUND_EVENTS)
        assert opened is not None  # noqa: S101  for the type checker: it is in `events`
        (model_hash,) = _words(opened, "modelHash")
        hashed = opened_hash(self._round_hash(run_id, server_round - 1), run_id, server_round, model_hash)
        commitment_root = settlement = None
        if committed is not None:
            (commitment_root,) = _words(committed, "commitmentRoot")
            hashed = committed_hash(hashed, commitment_root)
        if settled is not None:
            settlement = _settlement(settled)
            hashed = settled_hash(hashed, settlement)
        if hashed != self._round_hash(run_id, server_round):
            raise CheckFailed(
                f"The events of round {server_round} of run 0x{run_id.hex()} do not hash to what the contract "
                "stores; ask another node of the same chain."
            )
        return RoundRecord(
            run_id=run_id,
            server_round=server_round,
            round_hash=hashed,
            model_hash=model_hash,
            opened=self._receipt_of(opened),
            commitment_root=commitment_root,
            committed=None if committed is None else self._receipt_of(committed),
            settlement=settlement,
            sequence=None if settled is None else int(settled["args"]["sequence"]),
            settled=None if settled is None else self._receipt_of(settled),
        )

    def latest_settlement(self) -> RoundRecord | None:
        """See `Ledger.latest_settlement`."""
        latest = None
        for event in self._events(self._ledger, ["RoundSettled"]):
            latest = event
        if latest is None:
            return None
        return self.round_record(bytes(latest["args"]["runId"]), int(latest["args"]["round"]))

    def reward_root_of(self, sequence: int) -> bytes | None:
        """See `Ledger.reward_root_of`."""
        try:
            reward_root, _ = self._read(self._ledger, "rewardsOf", sequence)
        except ContractRefusal as refusal:
            if refusal.name == "SettlementUnknown":
                return None
            raise
        return bytes(reward_root)

    def participants(self) -> tuple[str, ...]:
        """See `Ledger.participants`."""
        present: set[str] = set()
        for event in self._events(self._registry, ["ParticipantRegistered", "ParticipantLeft"]):
            change = present.add if event["event"] == "ParticipantRegistered" else present.discard
            change(str(event["args"]["account"]))
        return tuple(sorted(present, key=str.lower))

    def minimum_stake_wei(self) -> int:
        """See `Ledger.minimum_stake_wei`."""
        return int(self._read(self._registry, "minimumStakeWei"))

    def register_for(self, accounts: Sequence[str], stake_wei: int) -> Receipt | None:
        """See `Ledger.register_for`. Long lists take several transactions; the receipt is the last one's."""
        present = set(self.participants())
        missing = [account for account in dict.fromkeys(accounts) if account not in present]
        receipt = None
        for start in range(0, len(missing), ACCOUNTS_PER_REGISTRATION):
            batch = missing[start : start + ACCOUNTS_PER_REGISTRATION]
            self._approve(self._registry, stake_wei * len(batch))
            receipt = self._write(self._registry, "registerFor", batch, stake_wei)
        return receipt

    def fund(self, amount_wei: int) -> Receipt:
        """See `Ledger.fund`."""
        self._approve(self._ledger, amount_wei)
        return self._write(self._ledger, "fund", amount_wei)

    def treasury_wei(self) -> int:
        """See `Ledger.treasury_wei`."""
        return int(self._read(self._ledger, "treasuryWei"))

    def unclaimed_wei(self) -> int:
        """See `Ledger.unclaimed_wei`."""
        return int(self._read(self._ledger, "unclaimedWei"))

    def claim(self, sequence: int, index: int, account: str, cumulative_wei: int, proof: Sequence[bytes]) -> Receipt:
        """See `Ledger.claim`."""
        if cumulative_wei and self.claimed_wei(account) == cumulative_wei:
            for event in self._events(self._ledger, ["RewardClaimed"], bytes(12) + _account_bytes(account)):
                if event["args"]["cumulativeWei"] == cumulative_wei:
                    return self._receipt_of(event)
        return self._write(self._ledger, "claim", sequence, index, account, cumulative_wei, list(proof))

    def claimed_wei(self, account: str) -> int:
        """See `Ledger.claimed_wei`."""
        return int(self._read(self._ledger, "claimedWei", account))

    def balance_wei(self, account: str) -> int:
        """See `Ledger.balance_wei`."""
        return int(self._read(self._token, "balanceOf", account))

    def _contract(self, name: str, address: str) -> Contract:
        return self._web3.eth.contract(address=Web3.to_checksum_address(address), abi=load_artifact(name).abi)

    def _read(self, contract: Contract, function: str, *arguments: object) -> Any:
        bound = contract.get_function_by_name(function)(*arguments)
        with self._errors.translated(function):
            return bound.call()

    def _write(self, contract: Contract, function: str, *arguments: object) -> Receipt:
        if self._sender is None:
            raise WrongUse(f"{function} needs the key of an account that pays; this ledger was opened for reading.")
        data = contract.encode_abi(function, arguments)
        return _receipt(self._sender.send(function, contract.address, bytes.fromhex(data.removeprefix("0x"))))

    def _approve(self, spender: Contract, amount_wei: int) -> None:
        """Let a contract take tokens of the sender; setting the same allowance twice is harmless."""
        if amount_wei:
            self._write(self._token, "approve", spender.address, amount_wei)

    def _round_events(self, run_id: bytes, server_round: int, *names: str) -> Iterator[EventData]:
        return self._events(self._ledger, names, run_id, server_round.to_bytes(32, "big"))

    def _events(self, contract: Contract, names: Sequence[str], *indexed: bytes) -> Iterator[EventData]:
        """Yield the contract's events of these names and leading indexed values, oldest first.

        Raises:
            CheckFailed: the node answers with something else.
        """
        events = {_topic(contract, name): contract.events[name]() for name in names}
        wanted = [f"0x{value.hex()}" for value in indexed]
        topics: list[Any] = [list(events), *wanted]
        with self._errors.translated("eth_getLogs"):
            logs = self._web3.eth.get_logs(
                {"address": contract.address, "fromBlock": self._deployment.block_number, "topics": topics}
            )
            for log in logs:
                first, *others = [topic.to_0x_hex() for topic in log["topics"]] or [""]
                if first not in events or others[: len(wanted)] != wanted or log["address"] != contract.address:
                    raise CheckFailed("The node answers with an event that it was not asked for; ask another one.")
                yield events[first].process_log(log)

    def _receipt_of(self, event: EventData) -> Receipt:
        with self._errors.translated("eth_getTransactionReceipt"):
            receipt = _receipt(self._web3.eth.get_transaction_receipt(event["transactionHash"]))
        if (receipt.transaction_hash, receipt.block_number) != (bytes(event["transactionHash"]), event["blockNumber"]):
            raise CheckFailed(
                f"The node gives two places for transaction 0x{event['transactionHash'].hex()}; ask again, or another."
            )
        return receipt

    def _require_nothing_recorded(self, run_id: bytes, server_round: int) -> None:
        """Make sure that the contract has no hash of a round (0: of the run's opening) whose events are not there."""
        if self._round_hash(run_id, server_round) != _NO_HASH:
            raise CheckFailed(
                f"The node does not show the events of round {server_round} of run 0x{run_id.hex()}, of which the "
                "contract stores a hash; ask another node of the same chain."
            )

    def _round_hash(self, run_id: bytes, server_round: int) -> bytes:
        return bytes(self._read(self._ledger, "roundHash", run_id, server_round))


def _topic(contract: Contract, name: str) -> str:
    return f"0x{keccak(contract.get_event_by_name(name).signature.encode()).hex()}"


def _words(event: EventData, *names: str) -> tuple[bytes, ...]:
    return tuple(bytes(event["args"][name]) for name in names)


def _settlement(event: EventData) -> Settlement:
    fields = event["args"]["settlement"]
    return Settlement(
        evidence_root=bytes(fields["evidenceRoot"]),
        reputation_root=bytes(fields["reputationRoot"]),
        reward_root=bytes(fields["rewardRoot"]),
        next_model_hash=bytes(fields["nextModelHash"]),
        rewarded_wei=int(fields["rewardedWei"]),
    )


def _receipt(receipt: TxReceipt) -> Receipt:
    return Receipt(bytes(receipt["transactionHash"]), int(receipt["blockNumber"]), int(receipt["gasUsed"]))


def _account_bytes(account: str) -> bytes:
    return bytes.fromhex(account.removeprefix("0x"))
