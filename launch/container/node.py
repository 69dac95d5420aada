"""The SuperNode of a client whose folder the service `client` has locked."""

import os
from pathlib import Path
from typing import NoReturn

from launch.container.places import NODE_PORT, SCRATCH, SUPERLINK_ADDRESS
from launch.container.services import say
from launch.control_api import ControlApi
from launch.flower_environment import flower_environment, flower_program
from launch.greeting import say_goodbye
from launch.node_keys import NODE_KEY_FILE, load_node_key, load_or_create_node_key
from launch.supernode import AUTHORITY_FILE, CLIENT_DIR_KEY, quoted


def node(folder: Path) -> NoReturn:
    """Become the SuperNode of the client in this folder, which nobody else may use now.

    Raises:
        EnvironmentFailure: the SuperLink does not answer.
    """
    end_earlier_connection(folder)
    command = [
        *(flower_program("flower-supernode"), "--superlink", str(SUPERLINK_ADDRESS)),
        *("--root-certificates", str(folder / AUTHORITY_FILE)),
        *("--auth-supernode-private-key", str(folder / NODE_KEY_FILE)),
        *("--port", str(NODE_PORT), "--node-config", f"{CLIENT_DIR_KEY}={quoted(str(folder))}"),
    ]
    os.execve(command[0], command, flower_environment(SCRATCH / "flower"))  # noqa: S606 - no shell, on purpose


def end_earlier_connection(folder: Path) -> None:
    """Say goodbye for a SuperNode that was killed before it could.

    The SuperLink would take it for online until two of its heartbeats are missing, a minute, let no other one in by
    the same key as long, and the round would wait for it. The lock on the folder says that nobody else uses the key.
    """
    authority = folder / AUTHORITY_FILE
    with ControlApi(str(SUPERLINK_ADDRESS), authority, Path("docker compose logs superlink")) as control:
        node_id = control.registered_nodes().get(load_or_create_node_key(folder))
        if node_id is not None and node_id in control.online_nodes():
            say_goodbye(str(SUPERLINK_ADDRESS), authority, load_node_key(folder), node_id)
            say("The connection of the SuperNode that was here before, and was killed, is ended")
