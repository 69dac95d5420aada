"""The coordinator's folder: what it knows of a federation before the first round.

account.json  account.pass   the account that writes to the ledger
committee.secret             what the secret ends s_T of the runs' seed chains come from (mode 600)
federation.json              public: catalogue, probe shards, data hashes, the settings it was prepared with
probe.npz                    public: the probe pool, whose digests federation.json has
deployment.json              public: where the contracts are
deployment.rewards.json      public: all rewards earned on this ledger so far

With `--deployment FILE` the rewards lie beside FILE instead: the ledger outlives the run, and so must they.
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
from common.bounded_json import parse_json
from common.config import Settings
from common.data.probe import PROBE_FILE, ProbeShard, load_probe_pool
from common.errors import WrongUse
from server.ledger import RoundRecord

FEDERATION_FILE, DEPLOYMENT_FILE = "federation.json", "deployment.json"
CHAIN_KINDS = ("anvil", "embedded", "external", "memory")
SECRET_FILE = "committee.secret"  # noqa: S105 - a file name


@dataclass(frozen=True)
class Federation:
    """What is public about a federation.

    Attributes:
        item_count: Items in the catalogue.
        catalogue_hash: 32 bytes.
        probe_shards: Digests of the probe pool's shards, 32 bytes each.
        data_hashes: File name -> sha256, for the record.
        prepared_with: The settings that the data were cut by, and those of a run that is told no others.
        chain_kind: One of `CHAIN_KINDS`.
        folder: The coordinator's folder.
        development: The launcher started the chain itself: accounts and run ids repeat from the seed.
        given_deployment: The file of contracts that were there before the run; None: the run deployed its own.
    """

    item_count: int
    catalogue_hash: bytes
    probe_shards: tuple[bytes, ...]
    data_hashes: dict[str, str]
    prepared_with: Settings
    chain_kind: str
    folder: Path
    development: bool
    given_deployment: Path | None = None

    @property
    def rewards_file(self) -> Path:
        """Where the ledger's rewards are kept from run to run."""
        return rewards_beside(self.given_deployment or self.folder / DEPLOYMENT_FILE)

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
        return self.repeating_run_id(settings, run_count)

    def repeating_run_id(self, settings: Settings, run_count: int) -> bytes:
        """Return keccak256(settings hash || run counter): every signature over it vouches for the settings too."""
        return keccak(self.settings_hash(settings) + run_count.to_bytes(8, "big"))

    def seed_secret(self, committee_secret: bytes, run_id: bytes) -> bytes:
        """Return s_T of one run's seed chain, 32 bytes.

        A run has revealed its whole chain at its end, so the next one needs another. On a development chain the secret
        is no secret, and stays as it is.
        """
        return committee_secret if self.development else keccak(committee_secret + run_id)


def save_federation(federation: Federation, committee_secret: bytes) -> None:
    """Write the coordinator's folder, its account excepted."""
    record = {
        "item_count": federation.item_count,
        "catalogue_hash": federation.catalogue_hash.hex(),
        "probe_shards": [shard.hex() for shard in federation.probe_shards],
        "data_hashes": federation.data_hashes,
        "prepared_with": federation.prepared_with.to_run_config(),
        "chain_kind": federation.chain_kind,
        "development": federation.development,
        "given_deployment": None if federation.given_deployment is None else str(federation.given_deployment),
    }
    write_atomically(federation.folder / SECRET_FILE, committee_secret.hex().encode(), private=True)
    write_atomically(federation.folder / FEDERATION_FILE, json.dumps(record, indent=2).encode())


def load_federation(folder: Path) -> Federation:
    """Read the public part.

    Raises:
        WrongUse: the file is missing or malformed.
    """
    try:
        record = parse_json((folder / FEDERATION_FILE).read_bytes())
        given = record["given_deployment"]
        if record["chain_kind"] not in CHAIN_KINDS:
            raise ValueError(f"no chain is called {record['chain_kind']!r}")
        return Federation(
            item_count=int(record["item_count"]),
            catalogue_hash=bytes.fromhex(record["catalogue_hash"]),
            probe_shards=tuple(bytes.fromhex(shard) for shard in record["probe_shards"]),
            data_hashes=dict(record["data_hashes"]),
            prepared_with=Settings.from_run_config(record["prepared_with"]),
            chain_kind=str(record["chain_kind"]),
            folder=folder,
            development=bool(record["development"]),
            given_deployment=None if given is None else Path(given),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise WrongUse(
            f"{folder / FEDERATION_FILE} cannot be read ({error}); let the launcher write it again."
        ) from error


def load_public_pool(federation: Federation) -> tuple[ProbeShard, ...]:
    """Read the probe pool from the coordinator's folder.

    Raises:
        WrongUse: it is missing or damaged, or is not the one that federation.json names.
    """
    path = federation.folder / PROBE_FILE
    pool = load_probe_pool(path)
    if tuple(shard.digest() for shard in pool) != federation.probe_shards:
        raise WrongUse(f"{path} is not the probe pool of this federation; copy that of a participant there.")
    return pool


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


def rewards_beside(deployment_file: Path) -> Path:
    """Return the rewards file of the ledger whose contracts a deployment file names."""
    return deployment_file.with_suffix(".rewards.json")


def save_rewards(path: Path, sequence: int, cumulative_wei: Mapping[str, int]) -> None:
    """Keep what everybody has earned up to a settlement, for the next run on the same ledger.

    Totals only grow, so a resumed run that saves an old settlement again takes nothing away.
    """
    known_sequence, earned = read_rewards(path)
    for account, wei in cumulative_wei.items():
        earned[account] = max(wei, earned.get(account, 0))
    record = {
        "sequence": max(sequence, known_sequence),
        "cumulative_wei": {account: str(wei) for account, wei in earned.items()},
    }
    write_atomically(path, json.dumps(record, indent=2).encode())


def read_rewards(path: Path) -> tuple[int, dict[str, int]]:
    """Return the last settlement's number and everybody's earnings up to it; (0, {}) before the first.

    Raises:
        WrongUse: the file is damaged.
    """
    try:
        record = parse_json(path.read_bytes())
        return int(record["sequence"]), {account: int(wei) for account, wei in record["cumulative_wei"].items()}
    except FileNotFoundError:
        return 0, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise WrongUse(f"The rewards in {path} cannot be read ({error}); restore that file.") from error


def earned_before(path: Path, latest: RoundRecord | None) -> dict[str, int]:
    """Return what earlier runs on the ledger have earned everybody.

    Args:
        path: The ledger's rewards file.
        latest: The ledger's last settlement; None before the first.

    Raises:
        WrongUse: the ledger has settlements that the file does not know; going on would take rewards away.
    """
    sequence, earned = read_rewards(path)
    settled = (0 if latest is None else latest.sequence) or 0
    if sequence > settled:
        raise WrongUse(
            f"The ledger has {settled} settlements, but {path}, which says what they paid, knows {sequence}: the chain "
            "has lost some; restore the chain, or deploy new contracts."
        )
    if sequence < settled:
        known = f"knows {sequence}" if path.exists() else "is missing"
        raise WrongUse(
            f"The ledger has {settled} settlements, but {path}, which says what they paid, {known}; "
            "copy that file from where the ledger's earlier runs were made, or deploy new contracts."
        )
    return earned
