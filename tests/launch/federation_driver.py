"""A program that brings a federation up and waits for a run that never ends; the tests end it from outside.

Arguments: app folder, run folder, client folder, client folder. Says "waiting" once the ServerApp runs.
"""

import sys
from pathlib import Path

from launch.local_federation import LocalFederation


def main(app_dir: Path, folder: Path, *client_dirs: Path) -> None:
    said = []

    def say_that_it_runs() -> None:
        if not said and federation.status(run_id) == "running":
            said.append(True)
            sys.stdout.write("waiting\n")
            sys.stdout.flush()

    with LocalFederation(app_dir, folder, client_dirs) as federation:
        run_id = federation.submit({"mode": "hang"})
        federation.wait(run_id, say_that_it_runs, timeout_seconds=120)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
