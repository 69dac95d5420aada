"""`docker compose exec coordinator python -m launch.container status`: what `tfedrs status` says, inside.

It is asked in the coordinator's container, whose processes it can see.
"""

from pathlib import Path

from launch.commands.status import Sight, describe, status
from launch.container.places import AUTHORITY, RECORD, SUPERLINK_ADDRESS
from launch.flower_cli import Connection


def look() -> str:
    """Return where the newest run stands and which clients are online.

    Raises:
        CheckFailed: a file of the run is damaged.
    """
    return describe(status(RECORD, Sight(Connection(str(SUPERLINK_ADDRESS), AUTHORITY), _resume)))


def _resume(run: Path) -> str:
    return f"docker compose run --rm train --resume {run.name}"
