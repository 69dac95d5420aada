"""Flower's SuperLink: the server that nodes connect to and that runs the ServerApp. TLS and node keys always."""

from collections.abc import Mapping
from pathlib import Path

from common.memory_limit import limit_memory
from launch.certificates import ServerCertificates
from launch.flower_environment import flower_environment, flower_program
from launch.processes import LOOPBACK, ChildProcess, Supervisor

DATABASE_FILE = "superlink.db"
MOST_MEMORY_BYTES = 3 << 30
"""Of the SuperLink's own; it has some 270 MB with three nodes (VmData), and takes a few times the body of each request.
What is beyond is refused, and the machine's other processes go on. It may then answer no more, see `silence.py`."""


def start_superlink(
    supervisor: Supervisor,
    folder: Path,
    certificates: ServerCertificates,
    port: int,
    environment: Mapping[str, str],
    *,
    keep_database: bool = False,
    most_memory_bytes: int = MOST_MEMORY_BYTES,
) -> ChildProcess:
    """Start a SuperLink on 127.0.0.1 with a database in the run folder.

    An earlier database is removed, unless it is to be kept: a run does not survive the end of its SuperLink, it is
    resumed from the app's own checkpoint, and the earlier nodes would seem to be online for a minute.

    Args:
        supervisor: Stops it at the end.
        folder: The run folder.
        certificates: What it shows to clients.
        port: Where it listens.
        environment: Variables for it, and so for the ServerApps that it starts.
        keep_database: For nodes on other machines, which then go on under the ids they have.
        most_memory_bytes: That it may take.
    """
    database = folder / DATABASE_FILE
    for path in folder.glob(f"{DATABASE_FILE}*"):  # SQLite's journals lie beside it
        if not keep_database:
            path.unlink()
    # Every message with its update passes through it. SQLite takes an empty file, and its journals get the same mode.
    folder.mkdir(parents=True, exist_ok=True)
    database.touch(mode=0o600)
    command = [
        flower_program("flower-superlink"),
        *("--host", LOOPBACK, "--port", str(port)),
        *("--database", str(database)),
        *("--ssl-ca-certfile", str(certificates.authority)),
        *("--ssl-certfile", str(certificates.certificate)),
        *("--ssl-keyfile", str(certificates.key)),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]
    superlink = supervisor.start(
        "superlink",
        command,
        environment={**flower_environment(folder / "flower" / "superlink"), **environment},
        folder=folder,
        log=folder / "logs" / "superlink.log",
    )
    # Before it has imported anything: what it starts later inherits the limit, and the coordinator lifts it for itself.
    limit_memory(superlink.pid, most_memory_bytes)
    return superlink
