"""A run that was interrupted, taken up where its checkpoint says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.account import load_account
from common.bounded_toml import read_toml
from common.config import Settings
from common.errors import WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import external_url, open_chain
from launch.prepared_run import MEMORY, PreparedRun
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, load_federation
from server.run_folder import RunFolder


def settings_of(folder: Path) -> Settings:
    """Read the settings of a run folder.

    Raises:
        WrongUse: the folder holds no run that got as far as training.
    """
    try:
        config = read_toml(folder / "config.toml")
        return Settings.from_run_config(config["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongUse(f"There is no run to go on with in {folder} ({error}); start one with `tfedrs run`.") from error


@contextmanager
def resumed_run(folder: Path, settings: Settings, chain: str) -> Iterator[PreparedRun]:
    """Open a run's chain, contracts and folders again; the counterpart of `prepared_run`.

    Args:
        folder: The run folder.
        settings: As `settings_of` read them; nothing else may be changed on the way.
        chain: The URL of the run's chain; "auto" starts the run's own again from its state.

    Raises:
        WrongUse: the run is finished, lived in memory, or needs its chain's URL.
        EnvironmentFailure: the chain does not start or does not answer.
    """
    folder = folder.resolve()
    federation = load_federation(folder / "coordinator")
    checkpoint = RunFolder(folder).load_checkpoint()
    if checkpoint is not None and checkpoint.settled_rounds >= settings.rounds:
        raise WrongUse(f"All {settings.rounds} rounds of {folder} are settled; start another run.")
    if federation.chain_kind == MEMORY:
        raise WrongUse(f"The ledger of {folder} was kept in memory and is gone; start another run.")
    if federation.chain_kind == "external" and not external_url(chain):
        raise WrongUse(f"The run in {folder} is on a chain given by URL; add --chain URL.")
    choice = chain if federation.chain_kind == "external" else federation.chain_kind
    client_dirs = sorted((folder / "participants").iterdir())
    with open_chain(choice, folder / "chain") as endpoint:
        deployment = Deployment.load(federation.folder / DEPLOYMENT_FILE)
        ledger = ChainLedger(endpoint.url, deployment, load_account(federation.folder).key)
        accounts = tuple(load_account(client_dir).address for client_dir in client_dirs)
        yield PreparedRun(folder, (), federation, client_dirs, accounts, ledger, endpoint.url, endpoint.processes)
