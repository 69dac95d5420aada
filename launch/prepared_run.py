"""Everything before the first round, for real processes and for a simulation alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from common.account import SigningAccount, load_account, save_account
from common.config import Settings
from common.data.catalogue import Catalogue
from common.data.partition import ClientSummary
from common.data.probe import PROBE_FILE, save_probe_pool
from common.errors import WrongUse
from contracts.deployment import WEI_PER_TOKEN, Deployment
from launch.chain_choice import external_url, open_chain
from launch.federation_on_chain import MINIMUM_STAKE_WEI, open_ledger
from launch.preparation import (
    Accounts,
    PreparedData,
    committee_secret,
    draw_accounts,
    prepare_data,
    write_client_folders,
)
from launch.processes import ChildProcess
from launch.run_options import RunOptions
from launch.workspace import choose_run_folder, link_latest, require_writable, write_config
from server.federation import Federation, save_federation
from server.ledger import Ledger
from server.memory_ledger import MemoryLedger

MEMORY = "memory"


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """A federation that is ready to train.

    Attributes:
        folder: The run folder.
        summary: What each client got; empty for a run that is taken up again.
        federation: What the coordinator knows.
        client_dirs: One folder for each client.
        client_accounts: Their addresses, in the same order.
        ledger: With the contracts in place and the clients registered.
        chain_url: Empty for the memory ledger.
        chain_processes: Those of a chain that was started here.
    """

    folder: Path
    summary: tuple[ClientSummary, ...]
    federation: Federation
    client_dirs: list[Path]
    client_accounts: tuple[str, ...]
    ledger: Ledger
    chain_url: str
    chain_processes: tuple[ChildProcess, ...] = ()


@contextmanager
def prepared_run(settings: Settings, options: RunOptions) -> Iterator[PreparedRun]:
    """Prepare a run; its chain, where it was started here, lives as long as the `with` block.

    Data, folder, account and contracts are checked before anything is started or written.

    Raises:
        WrongUse: settings, data, folder, account or contracts do not fit.
        EnvironmentFailure: the chain does not start or does not answer.
    """
    data = prepare_data(settings, options.data_root)
    folder = choose_run_folder(options.out)
    payer = _payer(options)
    if options.chain == MEMORY:
        accounts = draw_accounts(settings, development=True)
        ledger = _memory_ledger(settings, accounts)
        yield _write(settings, options, data, folder, accounts, ledger, MEMORY, "", development=True)
        return
    with open_chain(options.chain, folder / "chain") as endpoint:
        drawn = draw_accounts(settings, development=endpoint.development)
        accounts = Accounts(payer or drawn.coordinator, drawn.clients)
        chain_ledger = open_ledger(
            endpoint, settings, accounts.coordinator, accounts.clients, options.deployment, folder / "coordinator"
        )
        ready = _write(
            settings,
            options,
            data,
            folder,
            accounts,
            chain_ledger,
            endpoint.kind,
            endpoint.url,
            development=endpoint.development,
        )
        yield replace(ready, chain_processes=endpoint.processes)


def _payer(options: RunOptions) -> SigningAccount | None:
    """Return the account that pays on a chain given by URL; None where a development account will.

    Raises:
        WrongUse: a chain given by URL needs --account, and a chain started here must not see a real one; or the
            account or the contracts' file cannot be read.
    """
    if options.chain == MEMORY or not external_url(options.chain):
        for flag, value in (("--account", options.account_dir), ("--deployment", options.deployment)):
            if value is not None:
                raise WrongUse(
                    f"{flag} is for a chain given by URL; leave it out, "
                    "a chain that is started here has its own account and contracts."
                )
        return None
    if options.account_dir is None:
        raise WrongUse(
            "A chain given by URL needs an account that pays for gas; make one with `tfedrs account DIR`, "
            "send it some, and add --account DIR."
        )
    if options.deployment is not None:
        Deployment.load(options.deployment)
        require_writable(options.deployment.absolute().parent)  # the ledger's rewards are kept there
    return load_account(options.account_dir)


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
    options: RunOptions,
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
        prepared_with=settings,
        chain_kind=chain_kind,
        folder=coordinator_dir,
        development=development,
        given_deployment=options.deployment and options.deployment.absolute(),
    )
    save_federation(federation, committee_secret(settings, development=development))
    save_probe_pool(coordinator_dir / PROBE_FILE, data.probe)
    client_dirs = write_client_folders(folder / "participants", data, accounts.clients, development=development)
    link_latest(folder)
    addresses = tuple(account.address for account in accounts.clients)
    return PreparedRun(folder, data.summary, federation, client_dirs, addresses, ledger, chain_url)
