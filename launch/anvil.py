"""Anvil, Foundry's development chain, as a child process that keeps its state in a file."""

import os
import platform
import shutil
from pathlib import Path

from common.errors import WrongUse
from launch.anvil_state import STATE_FILE
from launch.json_rpc import answers
from launch.processes import LOOPBACK, Supervisor, free_ports, wait_until

CHAIN_ID = 31337
LOG_FILE = "anvil.log"
START_SECONDS = 20.0

# Anvil itself loses no more by a kill; a proper stop writes everything.
STATE_INTERVAL_SECONDS = 1

_PROJECT_ROOT = Path(__file__).resolve().parent.parent
_NPM_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def find_anvil() -> Path | None:
    """Return the Anvil program: the one TFEDRS_ANVIL names, else one on the PATH, else npm's in the project.

    Raises:
        WrongUse: TFEDRS_ANVIL names no program.
    """
    named = os.environ.get("TFEDRS_ANVIL")
    if named:
        if shutil.which(named) is None:
            raise WrongUse(f"TFEDRS_ANVIL is {named}, which is no program; correct it or unset it.")
        return Path(named).resolve()
    on_path = shutil.which("anvil")
    if on_path is not None:
        return Path(on_path)
    machine = _NPM_MACHINES.get(platform.machine(), platform.machine())
    package = f"anvil-{platform.system().lower()}-{machine}"
    # npm's launcher script needs node; the program beside it does not.
    packaged = _PROJECT_ROOT / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    return packaged if packaged.is_file() else None


def start_anvil(supervisor: Supervisor, program: Path, folder: Path) -> str:
    """Start Anvil on a free port, with the state that the folder holds, and wait until it answers.

    `launch/anvil_state.py` says what is to be done before it starts and while it runs.

    Args:
        supervisor: Stops it (SIGTERM, at which it writes its state).
        program: From `find_anvil`.
        folder: Gets the state file and the log.

    Returns:
        The chain's URL.

    Raises:
        EnvironmentFailure: it does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    command = [str(program), "--quiet", "--host", LOOPBACK, "--port", str(port), "--chain-id", str(CHAIN_ID)]
    # Without pruning, a long run spills gigabytes of old states onto the disk.
    command += ["--prune-history", "--state", str((folder / STATE_FILE).resolve())]
    command += ["--state-interval", str(STATE_INTERVAL_SECONDS)]
    child = supervisor.start("Anvil chain", command, environment=os.environ, folder=folder, log=folder / LOG_FILE)
    wait_until(lambda: answers(url), "the Anvil chain", watched=[child], seconds=START_SECONDS)
    return url
