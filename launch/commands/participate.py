"""`tfedrs participate`: a participant's machine, until a signal comes."""

import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from client.store import DATA_FILE
from common.account import load_account
from common.device import Device
from common.errors import EnvironmentFailure, WrongUse
from contracts.deployment import Deployment
from launch.greeting import check_certificate, check_node
from launch.node_keys import load_node_key
from launch.participant_folder import Participant
from launch.processes import Supervisor, free_ports
from launch.supernode import AUTHORITY_FILE, start_supernode
from server.federation import DEPLOYMENT_FILE

_TICK_SECONDS = 0.5


def participate(folder: Path, chain: str, device: Device, console: Console) -> NoReturn:
    """Check certificate, node and chain, start the SuperNode, and stay.

    Args:
        folder: As `tfedrs provision` wrote it.
        chain: URL by which this machine sees the chain; "" does not look.
        device: Where to train NCF.
        console: For people.

    Raises:
        WrongUse: the certificate, the node or the chain is not the right one, or a file is missing.
        EnvironmentFailure: nobody answers, or the SuperNode ended.
        KeyboardInterrupt, SystemExit: the signal, once everything is stopped.
    """
    folder = folder.resolve()
    participant = Participant.load(folder)
    key, authority = load_node_key(folder), folder / AUTHORITY_FILE
    load_account(folder)
    if not (folder / DATA_FILE).exists():
        raise WrongUse(
            f"{folder / DATA_FILE} is missing; cut your own data with `tfedrs prepare-data {folder}`, or ask the "
            "coordinator for it."
        )
    if chain:
        Deployment.load(folder / DEPLOYMENT_FILE).check(chain)

    def check() -> None:
        check_certificate(participant.superlink, authority)
        check_node(participant.superlink, authority, key)

    check()
    (port,) = free_ports(1)
    with Supervisor() as supervisor:
        node = start_supernode(
            supervisor,
            "supernode",
            folder / "work",
            folder,
            participant.superlink,
            port,
            participant.apps,
            device=device,
        )
        console.print(
            f"{participant.name} takes part in {participant.federation}; Ctrl-C ends it. Log: {node.log}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        while True:
            if node.poll() is not None:
                check()  # says why, where the federation lets the node in no more
                raise EnvironmentFailure(
                    f"{node.why_it_ended('while taking part')}; the federation lets this node in, so start it again: "
                    f"see {node.log}"
                )
            time.sleep(_TICK_SECONDS)
