"""The service `superlink`: Flower's SuperLink, and the registration of the members' nodes once it answers."""

import time
from pathlib import Path

from common.errors import EnvironmentFailure
from launch.container.foreground import foreground
from launch.container.members import load_members
from launch.container.places import (
    AUTHORITY,
    EVERYWHERE,
    MEMBERS_FILE,
    READY_FILE,
    SCRATCH,
    SUPEREXEC_SECRET,
    SUPERLINK,
    SUPERLINK_ADDRESS,
)
from launch.container.services import say
from launch.control_api import ControlApi
from launch.flower_environment import flower_environment, flower_program

START_SECONDS = 120.0


def superlink() -> int:
    """Run a SuperLink with an empty database and stay until it ends; returns its exit code.

    A run does not survive the end of its SuperLink; it is resumed from the app's own checkpoint.

    Raises:
        WrongUse: nothing was prepared.
        EnvironmentFailure: it does not come up.
    """
    members = load_members(MEMBERS_FILE)
    READY_FILE.unlink(missing_ok=True)
    command = [
        *(flower_program("flower-superlink"), "--host", EVERYWHERE, "--port", str(SUPERLINK_ADDRESS.port)),
        *("--database", str(SCRATCH / "superlink.db")),
        *("--ssl-ca-certfile", str(AUTHORITY)),
        *("--ssl-certfile", str(SUPERLINK / "server.pem"), "--ssl-keyfile", str(SUPERLINK / "server.key")),
        *("--isolation", "process", "--superexec-auth-secret-file", str(SUPERLINK / SUPEREXEC_SECRET)),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
    ]
    here = f"127.0.0.1:{SUPERLINK_ADDRESS.port}"
    with (
        foreground(command, flower_environment(SCRATCH / "flower")) as process,
        ControlApi(here, AUTHORITY, Path("docker compose logs superlink")) as control,
    ):
        deadline = time.monotonic() + START_SECONDS
        while not control.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise EnvironmentFailure("The SuperLink does not come up; its own lines say why.")
            time.sleep(0.2)
        for member in members:
            control.register_node(member.node_key.encode(), member.name)
        READY_FILE.touch()
        say(f"The SuperLink is up and knows {len(members)} nodes")
        return process.wait()
