"""One run at a time: two coordinators with one account would take each other's place on the ledger."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import WrongUse


@contextmanager
def only_run(coordinator_dir: Path) -> Iterator[None]:
    """Keep other runs of the same federation out; the end of the process lets them in, whatever ended it.

    Raises:
        WrongUse: another run goes on.
    """
    with (coordinator_dir / "run.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongUse(
                "Another run of this federation goes on; wait for its end, or end it with `flwr stop RUN_ID`."
            ) from error
        yield
