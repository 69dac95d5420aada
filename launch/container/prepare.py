"""The one-shot service `prepare`: money, contracts, data, accounts, keys and certificates, each into its volume.

Anvil is a service of its own here, not a child of this program, and its volume outlives every start. So it counts as a
chain given by URL: all keys are random, and the well-known development keys are never used. Only the money for gas is
made out of nothing, which Anvil does for whoever asks.
"""

import secrets
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from client.store import CATALOGUE_FILE, DATA_FILE
from common.account import KEYSTORE_FILE, PASSPHRASE_FILE, random_account, save_account
from common.atomic_file import write_atomically
from common.config import Settings, flag_of
from common.data.probe import PROBE_FILE
from common.errors import WrongUse
from contracts.deployment import Deployment
from launch import json_rpc
from launch.certificates import LOCAL_ADDRESSES, LOCAL_NAMES, write_certificates
from launch.chain_choice import DEVELOPMENT_BALANCE_WEI
from launch.container.members import Member, load_members, save_members
from launch.container.places import (
    AUTHORITY,
    CHAIN,
    CHAIN_URL,
    CLIENTS,
    COORDINATOR,
    MEMBERS_FILE,
    RECORD,
    SUPEREXEC_SECRET,
    SUPERLINK,
    SUPERLINK_ADDRESS,
    VOLUMES,
)
from launch.node_keys import NODE_KEY_FILE, load_or_create_node_key
from launch.prepared_run import PreparedRun, prepared_run
from launch.progress import partition_table
from launch.run_options import RunOptions
from launch.supernode import AUTHORITY_FILE
from server.federation import DEPLOYMENT_FILE, SECRET_FILE, load_federation
from server.submitted_run import FIXED_BY_PREPARATION

_SECRETS = (KEYSTORE_FILE, PASSPHRASE_FILE, SECRET_FILE)
_OF_A_CLIENT = (KEYSTORE_FILE, PASSPHRASE_FILE, NODE_KEY_FILE, AUTHORITY_FILE, DATA_FILE, CATALOGUE_FILE, PROBE_FILE)
_BEGUN = RECORD / ".begun"
"""There from before the first transaction until everything is in its volume."""
_WHAT_TO_DO = "restore all five volumes from one backup, or remove all with `docker compose down --volumes`"


def prepare(settings: Settings, data_root: Path | None, console: Console) -> None:
    """Prepare a federation in empty volumes; of one that is there, make sure that it fits settings and chain.

    Raises:
        WrongUse: the federation that is there was prepared with other settings, or lacks a file or a volume, or the
            data do not fit.
        EnvironmentFailure: the chain does not answer, or has lost the contracts.
    """
    if MEMBERS_FILE.exists():
        _check_whole(load_members(MEMBERS_FILE))
        _check_same_federation(settings)
        console.print(f"The federation of {settings.clients} clients is prepared already.", highlight=False)
        return
    if not _BEGUN.exists():
        _check_nothing_is_left()
    write_atomically(_BEGUN, b"")
    for volume in (RECORD, CLIENTS, COORDINATOR, SUPERLINK):  # of a preparation that was cut short
        _empty(volume)
    with tempfile.TemporaryDirectory() as scratch:
        payer_dir = Path(scratch) / "payer"
        payer = random_account()
        save_account(payer, payer_dir)
        _give_gas_money([payer.address])
        options = RunOptions(Path(scratch) / "home", CHAIN_URL, payer_dir, deployment=None, data_root=data_root)
        with prepared_run(settings, options) as ready:
            console.print(partition_table(ready.summary))
            console.print(f"Ledger  contract {ready.ledger.verifying_contract}", highlight=False)
            _give_gas_money(ready.client_accounts)
            members = _distribute(ready)
    save_members(MEMBERS_FILE, members)
    _BEGUN.unlink()
    console.print(f"{len(members)} clients are registered and have their folders.", highlight=False)


def _check_nothing_is_left() -> None:
    """Where `record` alone is lost, the other volumes hold keys and rewards that nobody could make again."""
    left = [volume.name for volume in (CLIENTS, COORDINATOR, SUPERLINK) if volume.is_dir() and any(volume.iterdir())]
    if int(json_rpc.request(CHAIN_URL, "eth_blockNumber"), 16):
        left.append(CHAIN.name)
    if left:
        raise WrongUse(f"The volume record is empty, but a federation is left in {', '.join(left)}: {_WHAT_TO_DO}.")


def _check_whole(members: Iterable[Member]) -> None:
    wanted = [
        *(SUPERLINK / name for name in ("server.pem", "server.key", SUPEREXEC_SECRET)),
        *(COORDINATOR / name for name in (*_SECRETS, SUPEREXEC_SECRET)),
        *(CLIENTS / member.name / name for member in members for name in _OF_A_CLIENT),
    ]
    for path in wanted:
        if not path.is_file():
            volume, *inside = path.relative_to(VOLUMES).parts
            raise WrongUse(f"The volume {volume} lacks {'/'.join(inside)}: {_WHAT_TO_DO}.")


def _check_same_federation(settings: Settings) -> None:
    prepared_with = load_federation(RECORD / "coordinator").prepared_with
    for name in FIXED_BY_PREPARATION:
        value, prepared = getattr(settings, name), getattr(prepared_with, name)
        if value != prepared:
            raise WrongUse(
                f"--{flag_of(name)} is {value!r}, but the data in these volumes were cut with {prepared!r}; set it "
                "back in .env, or remove the federation with `docker compose down --volumes`."
            )
    Deployment.load(RECORD / "coordinator" / DEPLOYMENT_FILE).check(CHAIN_URL)


def _distribute(ready: PreparedRun) -> list[Member]:
    """Put everything into the volume of the service that needs it; return the public list of clients."""
    certificates = write_certificates(SUPERLINK, (SUPERLINK_ADDRESS.host, *LOCAL_NAMES), LOCAL_ADDRESSES)
    authority = certificates.authority.read_bytes()
    write_atomically(AUTHORITY, authority)
    # By this the coordinator proves to the SuperLink that it may run what is submitted.
    shared_secret = secrets.token_bytes(32)
    for volume in (SUPERLINK, COORDINATOR):
        write_atomically(volume / SUPEREXEC_SECRET, shared_secret, private=True)

    shutil.copytree(ready.federation.folder, RECORD / "coordinator")
    for name in _SECRETS:
        public, own = RECORD / "coordinator" / name, COORDINATOR / name
        shutil.move(public, own)
        public.symlink_to(own)
    shutil.copy(ready.folder / "config.toml", RECORD)
    (RECORD / "runs").mkdir()

    members = []
    for client_dir, account in zip(ready.client_dirs, ready.client_accounts, strict=True):
        node_key = load_or_create_node_key(client_dir)
        write_atomically(client_dir / AUTHORITY_FILE, authority)
        shutil.copytree(client_dir, CLIENTS / client_dir.name)
        members.append(Member(client_dir.name, account, node_key.decode()))
    return members


def _give_gas_money(accounts: Iterable[str]) -> None:
    for account in accounts:
        json_rpc.request(CHAIN_URL, "anvil_setBalance", account, hex(DEVELOPMENT_BALANCE_WEI))


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in set(folder.iterdir()) - {_BEGUN}:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
