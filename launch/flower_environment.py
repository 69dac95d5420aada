"""What every Flower process of a local federation is started with: its program, its folder, its environment.

Each process has a FLWR_HOME of its own inside the run folder: Flower unpacks the app there, not atomically, so two
nodes that share a home can import half an app. The unpacked app and its bytecode are kept for the next message.
"""

import os
import sys
from pathlib import Path

from common.errors import EnvironmentFailure

_PROGRAMS = Path(sys.executable).parent

_SETTINGS = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    # How often flower-superexec asks for work. Each question costs some milliseconds on both sides; the default of
    # 1 s is felt in every phase, 0.25 s is not.
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.25",
    # Protocol code runs on one BLAS thread: the bytes repeat, and the processes do not fight over the cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",  # a log says how far a killed process came
}


def flower_program(name: str) -> str:
    """The path of one of Flower's programs, from the environment that this program runs in.

    Raises:
        EnvironmentFailure: it is not installed there.
    """
    path = _PROGRAMS / name
    if not path.exists():
        raise EnvironmentFailure(f"{path} is missing: install the pinned dependencies in this environment (make setup)")
    return str(path)


def flower_environment(home: Path) -> dict[str, str]:
    """The environment of one Flower process whose FLWR_HOME is `home`; the folder is made."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **_SETTINGS, "FLWR_HOME": str(home)}
    # Flower looks for its own programs on PATH, and starts one for each message: bytecode must be kept.
    environment["PATH"] = os.pathsep.join([str(_PROGRAMS), environment.get("PATH", os.defpath)])
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment
