"""Puts the three contracts on a chain, and remembers where they are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from web3 import Web3

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.errors import EnvironmentFailure, WrongUse
from contracts.artifacts import CONTRACT_NAMES, load_artifact
from contracts.chain_errors import ChainErrors
from contracts.connection import connect
from contracts.sender import Sender

WEI_PER_TOKEN = 10**18
INITIAL_SUPPLY_WEI = 10**9 * WEI_PER_TOKEN
DEFAULT_UNBONDING_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True)
class Deployment:
    """Where the contracts are. Addresses are checksummed."""

    chain_id: int
    reward_token: str
    participant_registry: str
    round_ledger: str
    block_number: int
    """The first block that can hold an event of these contracts."""

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_atomically(path, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @staticmethod
    def load(path: Path) -> "Deployment":
        """Read what `save` wrote; `check` then asks the chain.

        Raises:
            WrongUse: there is no such file, or it is no deployment.
        """
        try:
            fields = parse_json(path.read_bytes())
            return Deployment(
                chain_id=_natural(fields["chain_id"]),
                reward_token=Web3.to_checksum_address(fields["reward_token"]),
                participant_registry=Web3.to_checksum_address(fields["participant_registry"]),
                round_ledger=Web3.to_checksum_address(fields["round_ledger"]),
                block_number=_natural(fields["block_number"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(
                f"{path} is no readable deployment of the contracts ({error}); make one with `tfedrs deploy`."
            ) from error

    def check(self, url: str) -> None:
        """Make sure that this chain is the one, and that it has the contracts.

        Raises:
            WrongUse: the chain has another id.
            EnvironmentFailure: it does not answer, or an address holds no code.
        """
        web3 = connect(url)
        with ChainErrors(url).translated("eth_getCode"):
            found = web3.eth.chain_id
            if found != self.chain_id:
                raise WrongUse(
                    f"The chain at {url} has id {found}, but the contracts were deployed on chain {self.chain_id}; "
                    "give that chain's URL, or deploy on this one."
                )
            for name, address in (
                ("RewardToken", self.reward_token),
                ("ParticipantRegistry", self.participant_registry),
                ("RoundLedger", self.round_ledger),
            ):
                if not web3.eth.get_code(Web3.to_checksum_address(address)):
                    raise EnvironmentFailure(
                        f"The chain at {url} has no {name} at {address}; it was perhaps started anew: restore its "
                        "state from a backup, or deploy again."
                    )


def contract_errors(url: str) -> ChainErrors:
    """Return the translation of errors for a chain with this project's contracts."""
    return ChainErrors(url, [load_artifact(name).abi for name in CONTRACT_NAMES])


def deploy(
    url: str,
    private_key: bytes,
    *,
    challenge_window_seconds: int,
    treasury_wei: int,
    minimum_stake_wei: int,
    unbonding_seconds: int = DEFAULT_UNBONDING_SECONDS,
    confirmations: int = 1,
) -> Deployment:
    """Deploy token, registry and ledger, and fund the treasury.

    Args:
        url: The chain.
        private_key: Of the account that pays the gas. It becomes admin and coordinator and holds the supply.
        challenge_window_seconds: Between a settlement and its claims; 0 only where nothing is worth anything.
        treasury_wei: What the ledger gets at once, at most `INITIAL_SUPPLY_WEI`.
        minimum_stake_wei: Least stake of a participant.
        unbonding_seconds: How long a stake stays after its owner has left.
        confirmations: See `Sender`.

    Raises:
        EnvironmentFailure: the chain does not answer, or the account cannot pay.
        ContractRefusal: the treasury was to get more than there is.
    """
    web3 = connect(url)
    errors = contract_errors(url)
    sender = Sender(web3, errors, private_key, confirmations)
    with errors.translated("eth_chainId"):
        chain_id = int(web3.eth.chain_id)
    token, first_block = _deploy(sender, web3, "RewardToken", sender.address, INITIAL_SUPPLY_WEI)
    registry, _ = _deploy(sender, web3, "ParticipantRegistry", token, minimum_stake_wei, unbonding_seconds)
    ledger, _ = _deploy(sender, web3, "RoundLedger", token, sender.address, sender.address, challenge_window_seconds)
    if treasury_wei:
        token_contract = web3.eth.contract(
            address=Web3.to_checksum_address(token), abi=load_artifact("RewardToken").abi
        )
        ledger_contract = web3.eth.contract(
            address=Web3.to_checksum_address(ledger), abi=load_artifact("RoundLedger").abi
        )
        sender.send("approve", token, _bytes(token_contract.encode_abi("approve", [ledger, treasury_wei])))
        sender.send("fund", ledger, _bytes(ledger_contract.encode_abi("fund", [treasury_wei])))
    return Deployment(chain_id, token, registry, ledger, first_block)


def _deploy(sender: Sender, web3: Web3, name: str, *arguments: object) -> tuple[str, int]:
    """Deploy one contract; return its address and block."""
    artifact = load_artifact(name)
    factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    receipt = sender.send(
        f"the deployment of {name}", None, _bytes(factory.constructor(*arguments).data_in_transaction)
    )
    address = receipt["contractAddress"]
    if address is None:
        raise EnvironmentFailure(f"The chain did not say where it put {name}; look at its node.")
    return str(address), int(receipt["blockNumber"])


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**64:
        raise ValueError(f"{str(value)[:40]!r} is not a whole number in [0, 2^64)")
    return value


def _bytes(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.removeprefix("0x"))
