"""A run that was interrupted, taken up where its checkpoint says."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.account import load_account
from common.bounded_toml import read_toml
from common.config import Settings
from common.errors import EnvironmentFailure, WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import external_url, open_chain
from launch.prepared_run import MEMORY, PreparedRun
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, load_federation
from server.run_folder import RunFolder

_BEGIN_ANEW = "start a new run"
"""What the sentence of an error says where going on would meet the same again."""

_FULL_BYTES = 256 * 1024  # what is freed when a file that did not fit is removed again still counts as full


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
    if checkpoint is not None and _is_finished(folder):
        if checkpoint.settled_rounds < settings.rounds:
            raise WrongUse(f"The run in {folder} ended by its own rule; start another run.")
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


@contextmanager
def to_be_resumed(ready: PreparedRun) -> Iterator[None]:
    """Say after what the environment did to a run how to go on with it.

    Raises:
        EnvironmentFailure: that of the block, with the command.
    """
    try:
        yield
    except EnvironmentFailure as error:
        if ready.federation.chain_kind == MEMORY or _BEGIN_ANEW in str(error):
            raise
        chain = " --chain URL" if ready.federation.chain_kind == "external" else ""
        raise EnvironmentFailure(
            f"{str(error).rstrip('.')}; {_about_the_disk(ready.folder)}go on with "
            f"`tfedrs run --resume {shlex.quote(str(ready.folder))}{chain}`."
        ) from error


def _about_the_disk(folder: Path) -> str:
    """Say what a process that has no room for its log could not say; "" where the disk is well."""
    disk = os.statvfs(folder)
    if disk.f_flag & os.ST_RDONLY:
        return f"the disk of {folder} is read-only: make it writable again, then "
    if disk.f_bavail * disk.f_frsize < _FULL_BYTES:
        return f"the disk of {folder} is full: make room on it, then "
    return ""


def _is_finished(folder: Path) -> bool:
    """Tell whether the rounds of a run were also settled, measured and compared with the ledger."""
    try:
        report = json.loads((folder / "report.json").read_bytes())
    except FileNotFoundError:
        return False
    return report["ledger"]["verified"] is not None
