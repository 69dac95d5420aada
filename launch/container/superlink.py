"""The service `superlink`: Flower's SuperLink, and the registration of the members' nodes once it answers."""

import re
import threading
import time
from collections.abc import Iterable
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
from launch.container.services import copied, say
from launch.control_api import ControlApi
from launch.flower_environment import flower_environment, flower_program

START_SECONDS = 120.0
_ANSWERED = re.compile(r'\[uvicorn\.access\].*" 2\d\d$|ControlServicer\.(ListRuns|ListNodes)\s*$')


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
        threading.Thread(target=_copy_log, args=(process.stdout,), daemon=True).start()
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


def _copy_log(lines: Iterable[str]) -> None:
    """Copy a log without the line for each answered request, of which there are thousands."""
    for line in lines:
        if not _ANSWERED.search(line):
            print(copied(line), flush=True)  # noqa: T201
