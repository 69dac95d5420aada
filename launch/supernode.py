"""Flower's SuperNode: the client side of the connection, next to one client's data."""

import sys
from collections.abc import Sequence
from pathlib import Path

from common.device import DEVICE_VARIABLE, Device
from common.errors import WrongUse
from launch.flower_environment import flower_environment, flower_program
from launch.node_keys import NODE_KEY_FILE
from launch.processes import ChildProcess, Supervisor

AUTHORITY_FILE = "ca.pem"
ALLOWED_VARIABLE = "TFEDRS_ALLOWED_APPS"  # read by pinned_supernode.py
CLIENT_DIR_KEY = "client-dir"  # the key of the node configuration by which the client app finds its folder


def start_supernode(
    supervisor: Supervisor,
    name: str,
    folder: Path,
    client_dir: Path,
    superlink_address: str,
    port: int,
    apps: Sequence[str] = (),
    *,
    device: Device = "auto",
) -> ChildProcess:
    """Start the SuperNode of the client whose key and authority lie in `client_dir`.

    Args:
        supervisor: Stops it at the end.
        name: For people, for its log and for its folder, such as "supernode-03".
        folder: The run folder.
        client_dir: Holds `node.key` and `ca.pem`; told to the client app as `client-dir`.
        superlink_address: "host:port", covered by the SuperLink's certificate.
        port: Where the node's own processes reach it, on 127.0.0.1.
        apps: sha256 of the app bundles that it may run, in hexadecimal; none means any.
        device: Where the client app trains NCF.
    """
    pinned = [sys.executable, "-P", str(Path(__file__).with_name("pinned_supernode.py"))]
    command = [
        *(pinned if apps else [flower_program("flower-supernode")]),
        *("--superlink", superlink_address),
        *("--root-certificates", str(client_dir / AUTHORITY_FILE)),
        *("--auth-supernode-private-key", str(client_dir / NODE_KEY_FILE)),
        *("--port", str(port)),
        *("--node-config", f"{CLIENT_DIR_KEY}={quoted(str(client_dir))}"),
    ]
    return supervisor.start(
        name,
        command,
        environment={
            **flower_environment(folder / "flower" / name),
            ALLOWED_VARIABLE: " ".join(apps),
            DEVICE_VARIABLE: device,
        },
        folder=folder,
        log=folder / "logs" / f"{name}.log",
    )


def quoted(text: str) -> str:
    """Write a text as Flower's `key=value` strings want it.

    Flower finds the values by a pattern that knows no escapes and then reads each as TOML, so a text may hold blanks
    and either kind of quote, but not both kinds and not an escape.

    Raises:
        WrongUse: this text cannot be written.
    """
    if text.isprintable() and "'" not in text:
        return f"'{text}'"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    raise WrongUse(f"{text!r} cannot be passed to Flower: choose a path without quotes and line breaks")
