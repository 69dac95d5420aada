"""The services `chain` and `client`, and what all services do: say something in the log, wait for another."""

import fcntl
import os
import socket
import sys
import time
from pathlib import Path

from common.errors import EnvironmentFailure, WrongUse
from common.log_lines import json_line, wants_json
from launch.anvil import CHAIN_ID, STATE_INTERVAL_SECONDS, find_anvil
from launch.anvil_state import STATE_FILE, mend_state, whole_copy_kept
from launch.container.foreground import foreground
from launch.container.places import CHAIN, CHAIN_ADDRESS, CLIENTS, EVERYWHERE, SUPERLINK_ADDRESS, Address

LOCK_FILE = ".claimed"


def chain() -> int:
    """Run Anvil, without any account that has money from the start, until it ends; returns its exit code.

    Raises:
        EnvironmentFailure: the image has no Anvil, or no whole state is left of it.
    """
    program = find_anvil()
    if program is None:
        raise EnvironmentFailure("This image has no Anvil; build it for 64-bit Linux on x86.")
    if sentence := mend_state(CHAIN):
        say(sentence.rstrip("."))
    say(f"Anvil, chain id {CHAIN_ID}, listens on port {CHAIN_ADDRESS.port}")
    command = [
        *(str(program), "--quiet", "--host", EVERYWHERE, "--port", str(CHAIN_ADDRESS.port)),
        *("--chain-id", str(CHAIN_ID), "--accounts", "0", "--prune-history"),
        *("--state", str(CHAIN / STATE_FILE), "--state-interval", str(STATE_INTERVAL_SECONDS)),
    ]
    with foreground(command, os.environ) as process, whole_copy_kept(CHAIN):
        return process.wait()


def client() -> int:
    """Claim a client's folder and stay until its SuperNode ends; returns its exit code.

    The SuperNode, too, holds the lock on the folder, so that the folder is not free before it has ended. What stays
    beside it imports nothing of Flower's, and is small.

    Raises:
        WrongUse: every folder is in use.
    """
    folder, descriptor = claim_folder(CLIENTS)
    say(f"This replica is {folder.name}")
    wait_for(SUPERLINK_ADDRESS)
    command = [sys.executable, "-m", "launch.container", "node", str(folder)]
    with foreground(command, os.environ, keep_open=(descriptor,)) as process:
        return process.wait()


def claim_folder(clients: Path) -> tuple[Path, int]:
    """Lock the first client folder that nobody has locked.

    Returns:
        The folder, and the open file whose closing frees it.

    Raises:
        WrongUse: there is none.
    """
    folders = sorted(path for path in clients.iterdir() if path.is_dir())
    for folder in folders:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return folder, descriptor
    raise WrongUse(f"All {len(folders)} client folders are in use; start as many replicas as CLIENTS says.")


def say(text: str, **fields: str | int) -> None:
    """Write one line to the container's log: text, or JSON with `run` and `round` where TFEDRS_LOG_FORMAT says so."""
    line = json_line("INFO", "tfedrs", text, fields) if wants_json() else f"{text}."
    print(line, flush=True)  # noqa: T201 - a service's log is its standard output


def wait_for(address: Address) -> None:
    """Return when somebody accepts connections there; a wait is told in the log."""
    waited = False
    while True:
        try:
            socket.create_connection((address.host, address.port), timeout=2).close()
        except OSError:
            if not waited:
                say(f"Waiting for {address}")
            waited = True
            time.sleep(1)
        else:
            return
