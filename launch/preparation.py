"""From settings to folders: split the data once, and give every client its own part and nothing else."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_hash.auto import keccak
from numpy.typing import NDArray

from client.store import CATALOGUE_FILE, DATA_FILE
from common.account import SigningAccount, development_account, random_account, save_account
from common.atomic_file import write_atomically
from common.config import Settings
from common.data.catalogue import Catalogue
from common.data.client_parts import cut_client_part
from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.partition import ClientSummary, partition_users, summarise_partition
from common.data.probe import PROBE_FILE, ProbeShard, draw_probe_pool, save_probe_pool
from common.data.rating_range import check_rating_range
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.errors import WrongUse

COORDINATOR_INDEX = 0  # development account 0 coordinates; client k has account k


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Data, cut and drawn, before anything is written.

    Attributes:
        dataset: As loaded.
        split: Training, validation and test items.
        train: Training items without the probe pairs.
        probe: The shards of the probe pool.
        parts: The users of each client.
    """

    dataset: Dataset
    split: Split
    train: UserItems
    probe: tuple[ProbeShard, ...]
    parts: tuple[NDArray[np.int32], ...]

    @property
    def summary(self) -> tuple[ClientSummary, ...]:
        """What each client got."""
        return summarise_partition(self.dataset, self.parts)


@dataclass(frozen=True)
class Accounts:
    """The coordinator's account and one for each client, in the order of the clients."""

    coordinator: SigningAccount
    clients: tuple[SigningAccount, ...]


def prepare_data(settings: Settings, data_root: Path | None, bring_their_own: int = 0) -> PreparedData:
    """Load, split, draw the probe pool and partition; writes nothing.

    Args:
        settings: Of the run.
        data_root: Folder of the data sets that are not bundled.
        bring_their_own: So many clients have data of their own, and get no part of these.

    Raises:
        WrongUse: the data are missing, malformed or too few for the settings.
    """
    dataset = load_dataset(settings.dataset, data_root, settings.csv_columns)
    if settings.model == "mf":
        check_rating_range(dataset, settings.least_rating, settings.greatest_rating)
    parts = _parts_for(dataset, settings, settings.clients - bring_their_own)
    if min(map(len, parts), default=0) == 1 and not settings.unsafe_single_user:
        raise WrongUse(
            "A client holds a single user, whose update would show that user's items to everybody; "
            "use fewer clients, or add --unsafe-single-user where that is acceptable."
        )
    split = leave_one_out(dataset, settings.seed, settings.train_on_validation)
    shards = settings.probe_shards or min(settings.committee_size, settings.clients - 1)
    probe, train = draw_probe_pool(split.train, shards, settings.probe_pairs, settings.volunteer_share, settings.seed)
    return PreparedData(dataset, split, train, probe, parts)


def _parts_for(dataset: Dataset, settings: Settings, clients: int) -> tuple[NDArray[np.int32], ...]:
    if clients < 2:  # the rest of a federation whose clients bring their own data
        return (np.arange(dataset.interactions.user_count, dtype=np.int32),) * clients
    return partition_users(dataset, clients, settings.partition, settings.seed, settings.partition_alpha)


def draw_accounts(settings: Settings, *, development: bool) -> Accounts:
    """Return development accounts, which repeat from the seed, or random ones."""
    if development:
        made = [development_account(settings.seed, index) for index in range(settings.clients + 1)]
    else:
        made = [random_account() for _ in range(settings.clients + 1)]
    return Accounts(made[COORDINATOR_INDEX], tuple(made[1:]))


def committee_secret(settings: Settings, *, development: bool) -> bytes:
    """Return the secret end of the seed chain: random, or on a development chain repeatable from the seed."""
    if development:
        return keccak(b"tfedrs-dev-committee" + settings.seed.to_bytes(8, "big"))
    return secrets.token_bytes(32)


def write_client_folders(
    folder: Path, data: PreparedData, accounts: Sequence[SigningAccount], *, development: bool
) -> list[Path]:
    """Write `client-01`, `client-02`, ... below `folder` and return them.

    Each holds the client's account, its own users' data, and the public catalogue and probe pool.
    """
    width = max(2, len(str(len(accounts))))
    folders = [folder / f"client-{number:0{width}d}" for number in range(1, len(accounts) + 1)]
    write_client_data(folders, data)
    for account, client_dir in zip(accounts, folders, strict=True):
        save_account(account, client_dir, development=development)
    return folders


def write_client_data(folders: Sequence[Path], data: PreparedData) -> None:
    """Make these folders, one for each part, with the part's data, the public catalogue and the probe pool."""
    write_public_data(folders, data)
    for client_dir, users in zip(folders, data.parts, strict=True):
        cut_client_part(data.dataset, data.split, data.train, users).save(client_dir / DATA_FILE)


def write_public_data(folders: Sequence[Path], data: PreparedData) -> None:
    """Make these folders, with the public catalogue and the probe pool."""
    catalogue = Catalogue.of(data.dataset).canonical()
    for client_dir in folders:
        client_dir.mkdir(parents=True, mode=0o700)
        write_atomically(client_dir / CATALOGUE_FILE, catalogue)
        save_probe_pool(client_dir / PROBE_FILE, data.probe)
