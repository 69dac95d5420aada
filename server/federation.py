"""The coordinator's folder: what it knows of a federation before the first round.

account.json  account.pass   the account that writes to the ledger
committee.secret             s_T, the secret end of the seed chain (mode 600)
federation.json              public: catalogue, probe shards, data hashes
deployment.json              public: where the contracts are
rewards.json                 public: all rewards earned on this ledger so far
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import rfc8785
from eth_hash.auto import keccak

from common.account import SigningAccount, load_account
from common.atomic_file import write_atomically
from common.config import Settings
from common.errors import WrongUse
from server.ledger import RoundRecord

FEDERATION_FILE, DEPLOYMENT_FILE, REWARDS_FILE = "federation.json", "deployment.json", "rewards.json"
SECRET_FILE = "committee.secret"  # noqa: S105 - a file name


@dataclass(frozen=True)
class Federation:
    """What is public about a federation.

    Attributes:
        item_count: Items in the catalogue.
        catalogue_hash: 32 bytes.
        probe_shards: Digests of the probe pool's shards, 32 bytes each.
        data_hashes: File name -> sha256, for the record.
        chain_kind: "anvil", "embedded", "external" or "memory".
        folder: The coordinator's folder.
        development: The launcher started the chain itself: accounts and run ids repeat from the seed.
    """

    item_count: int
    catalogue_hash: bytes
    probe_shards: tuple[bytes, ...]
    data_hashes: dict[str, str]
    chain_kind: str
    folder: Path
    development: bool

    def settings_hash(self, settings: Settings) -> bytes:
        """Return keccak256 over everything that decides the result: settings, data, catalogue and probe set."""
        return keccak(
            rfc8785.dumps(
                {
                    "catalogue": self.catalogue_hash.hex(),
                    "data": dict(self.data_hashes),
                    "probe": [shard.hex() for shard in self.probe_shards],
                    "settings": settings.to_run_config(),
                }
            )
        )

    def new_run_id(self, settings: Settings, run_count: int) -> bytes:
        """Return 32 random bytes, or on a development chain keccak256(settings hash || run counter), which repeats."""
        if not self.development:
            return secrets.token_bytes(32)
        return keccak(self.settings_hash(settings) + run_count.to_bytes(8, "big"))


def save_federation(federation: Federation, committee_secret: bytes) -> None:
    """Write the coordinator's folder, its account excepted."""
    record = {
        "item_count": federation.item_count,
        "catalogue_hash": federation.catalogue_hash.hex(),
        "probe_shards": [shard.hex() for shard in federation.probe_shards],
        "data_hashes": federation.data_hashes,
        "chain_kind": federation.chain_kind,
        "development": federation.development,
    }
    write_atomically(federation.folder / SECRET_FILE, committee_secret.hex().encode(), private=True)
    write_atomically(federation.folder / FEDERATION_FILE, json.dumps(record, indent=2).encode())


def load_federation(folder: Path) -> Federation:
    """Read the public part.

    Raises:
        WrongUse: the file is missing or malformed.
    """
    try:
        record = json.loads((folder / FEDERATION_FILE).read_bytes())
        return Federation(
            item_count=int(record["item_count"]),
            catalogue_hash=bytes.fromhex(record["catalogue_hash"]),
            probe_shards=tuple(bytes.fromhex(shard) for shard in record["probe_shards"]),
            data_hashes=dict(record["data_hashes"]),
            chain_kind=str(record["chain_kind"]),
            folder=folder,
            development=bool(record["development"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongUse(
            f"{folder / FEDERATION_FILE} cannot be read ({error}); let the launcher write it again."
        ) from error


def load_secrets(folder: Path) -> tuple[SigningAccount, bytes]:
    """Read the coordinator's account and the secret of the seed chain.

    Raises:
        WrongUse: a file is missing or damaged.
    """
    try:
        secret = bytes.fromhex((folder / SECRET_FILE).read_text().strip())
    except (OSError, ValueError) as error:
        raise WrongUse(f"{folder / SECRET_FILE} cannot be read ({error}); restore it from a backup.") from error
    return load_account(folder), secret


def save_rewards(folder: Path, sequence: int, cumulative_wei: Mapping[str, int]) -> None:
    """Keep what everybody has earned up to a settlement, for the next run on the same ledger."""
    earned = read_rewards(folder)[1] | dict(cumulative_wei)
    record = {"sequence": sequence, "cumulative_wei": {account: str(wei) for account, wei in earned.items()}}
    write_atomically(folder / REWARDS_FILE, json.dumps(record, indent=2).encode())


def read_rewards(folder: Path) -> tuple[int, dict[str, int]]:
    """Return the last settlement's number and everybody's earnings up to it; (0, {}) before the first."""
    try:
        record = json.loads((folder / REWARDS_FILE).read_bytes())
    except FileNotFoundError:
        return 0, {}
    return int(record["sequence"]), {account: int(wei) for account, wei in record["cumulative_wei"].items()}


def earned_before(folder: Path, latest: RoundRecord | None) -> dict[str, int]:
    """Return what earlier runs on the ledger have earned everybody.

    Raises:
        WrongUse: the ledger has settlements that this coordinator does not know; going on would take rewards away.
    """
    sequence, earned = read_rewards(folder)
    settled = 0 if latest is None else latest.sequence
    if sequence != settled:
        raise WrongUse(
            f"The ledger has {settled} settlements, but {folder / REWARDS_FILE} knows {sequence}; restore that file."
        )
    return earned
