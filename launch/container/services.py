"""Chain and client: each waits for what it needs, says so, and becomes the program that does the work.

Becoming it (exec) leaves nobody between the container and the program: signals, exit code and log are its own.
"""

import fcntl
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from common.errors import EnvironmentFailure, WrongUse
from common.log_lines import json_line, wants_json
from launch.anvil import CHAIN_ID, STATE_FILE, STATE_INTERVAL_SECONDS, find_anvil
from launch.container.places import (
    CHAIN,
    CHAIN_ADDRESS,
    CLIENTS,
    EVERYWHERE,
    NODE_PORT,
    SCRATCH,
    SUPERLINK_ADDRESS,
    Address,
)
from launch.flower_environment import flower_environment, flower_program
from launch.node_keys import NODE_KEY_FILE
from launch.supernode import AUTHORITY_FILE, CLIENT_DIR_KEY, quoted

LOCK_FILE = ".claimed"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def chain() -> NoReturn:
    """Become Anvil, without any account that has money from the start.

    Raises:
        EnvironmentFailure: the image has no Anvil.
    """
    program = find_anvil()
    if program is None:
        raise EnvironmentFailure("This image has no Anvil; build it for 64-bit Linux on x86.")
    say(f"Anvil, chain id {CHAIN_ID}, listens on port {CHAIN_ADDRESS.port}")
    _become(
        [
            *(str(program), "--quiet", "--host", EVERYWHERE, "--port", str(CHAIN_ADDRESS.port)),
            *("--chain-id", str(CHAIN_ID), "--accounts", "0", "--prune-history"),
            *("--state", str(CHAIN / STATE_FILE), "--state-interval", str(STATE_INTERVAL_SECONDS)),
        ],
        os.environ,
    )


def client() -> NoReturn:
    """Claim a client's folder and become its SuperNode.

    The lock on the folder is held by the SuperNode's own open file, so its end frees the folder, whatever ended it.

    Raises:
        WrongUse: every folder is in use.
    """
    folder, descriptor = claim_folder(CLIENTS)
    os.set_inheritable(descriptor, True)
    say(f"This replica is {folder.name}")
    wait_for(SUPERLINK_ADDRESS)
    _become(
        [
            *(flower_program("flower-supernode"), "--superlink", str(SUPERLINK_ADDRESS)),
            *("--root-certificates", str(folder / AUTHORITY_FILE)),
            *("--auth-supernode-private-key", str(folder / NODE_KEY_FILE)),
            *("--port", str(NODE_PORT), "--node-config", f"{CLIENT_DIR_KEY}={quoted(str(folder))}"),
        ],
        flower_environment(SCRATCH / "flower"),
    )


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


def copied(line: str) -> str:
    """Return a line of Flower's own as this container's log shall have it, without its end."""
    plain = _COLOURS.sub("", line).rstrip()
    if not wants_json() or plain.startswith("{"):  # an app of ours has written JSON itself
        return line.rstrip("\n")
    level, _, message = plain.partition(":")
    known = level.strip() in _LEVELS
    return json_line(level.strip() if known else "INFO", "flwr", message.strip() if known else plain)


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


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    os.execve(command[0], list(command), dict(environment))  # noqa: S606 - no shell, on purpose
