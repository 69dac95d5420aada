"""Everything before the first round, for real processes and for a simulation alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.account import SigningAccount, save_account
from common.config import Settings
from common.data.catalogue import Catalogue
from contracts.deployment import WEI_PER_TOKEN
from launch.chain_choice import open_chain
from launch.federation_on_chain import MINIMUM_STAKE_WEI, coordinator_account, open_ledger
from launch.preparation import (
    Accounts,
    PreparedData,
    committee_secret,
    draw_accounts,
    prepare_data,
    write_client_folders,
)
from launch.run_options import RunOptions
from launch.workspace import choose_run_folder, link_latest, write_config
from server.federation import Federation, save_federation
from server.ledger import Ledger
from server.memory_ledger import MemoryLedger

MEMORY = "memory"


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A federation that is ready to train.

    Attributes:
        folder: The run folder.
        data: What was cut and drawn.
        federation: What the coordinator knows.
        client_dirs: One folder for each client.
        ledger: With the contracts in place and the clients registered.
        chain_url: Empty for the memory ledger.
    """

    folder: Path
    data: PreparedData
    federation: Federation
    client_dirs: list[Path]
    ledger: Ledger
    chain_url: str


@contextmanager
def prepared_run(settings: Settings, options: RunOptions) -> Iterator[PreparedRun]:
    """Prepare a run; its chain, where it was started here, lives as long as the `with` block.

    Data, folder, chain and account are checked before anything is written.

    Raises:
        WrongUse: settings, data, folder or account do not fit.
        EnvironmentFailure: the chain does not start or does not answer.
    """
    data = prepare_data(settings, options.data_root)
    folder = choose_run_folder(options.out)
    if options.chain == MEMORY:
        accounts = draw_accounts(settings, development=True)
        ledger = _memory_ledger(settings, accounts)
        yield _write(settings, data, folder, accounts, ledger, MEMORY, "", development=True)
        return
    with open_chain(options.chain, folder / "chain") as endpoint:
        drawn = draw_accounts(settings, development=endpoint.development)
        coordinator: SigningAccount = coordinator_account(endpoint, options, drawn)
        accounts = Accounts(coordinator, drawn.clients)
        chain_ledger = open_ledger(endpoint, settings, options, accounts, folder / "coordinator")
        yield _write(
            settings,
            data,
            folder,
            accounts,
            chain_ledger,
            endpoint.kind,
            endpoint.url,
            development=endpoint.development,
        )


def _memory_ledger(settings: Settings, accounts: Accounts) -> MemoryLedger:
    ledger = MemoryLedger(
        treasury_wei=settings.rounds * settings.reward_per_round * WEI_PER_TOKEN,
        owner_wei=settings.clients * MINIMUM_STAKE_WEI,
        minimum_stake_wei=MINIMUM_STAKE_WEI,
    )
    ledger.register_for([account.address for account in accounts.clients], MINIMUM_STAKE_WEI)
    return ledger


def _write(
    settings: Settings,
    data: PreparedData,
    folder: Path,
    accounts: Accounts,
    ledger: Ledger,
    chain_kind: str,
    chain_url: str,
    *,
    development: bool,
) -> PreparedRun:
    coordinator_dir = folder / "coordinator"
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    write_config(folder, settings, data.dataset.file_hashes)
    save_account(accounts.coordinator, coordinator_dir, development=development)
    federation = Federation(
        item_count=len(data.dataset.item_ids),
        catalogue_hash=Catalogue.of(data.dataset).digest(),
        probe_shards=tuple(shard.digest() for shard in data.probe),
        data_hashes=data.dataset.file_hashes,
        chain_kind=chain_kind,
        folder=coordinator_dir,
        development=development,
    )
    save_federation(federation, committee_secret(settings, development=development))
    client_dirs = write_client_folders(folder / "participants", data, accounts.clients, development=development)
    link_latest(folder)
    return PreparedRun(folder, data, federation, client_dirs, ledger, chain_url)
