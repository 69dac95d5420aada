"""What a run needs beside its settings: where to write, which chain, whose account."""

import os
from dataclasses import dataclass
from pathlib import Path

from common.device import Device

DATA_VARIABLE = "TFEDRS_DATA"


@dataclass(frozen=True)
class RunOptions:
    """Options that do not change the result, or in its last bits only.

    Attributes:
        out: The run folder; None makes a new one below `runs/`.
        chain: "auto", "anvil", "embedded", "memory" (simulation only) or a URL.
        account_dir: On a chain given by URL, the folder of the coordinator's funded account.
        deployment: On a chain given by URL, the file of the contracts to use; None deploys new ones. What their
            ledger has paid so far is kept beside that file.
        resume: The folder of an interrupted run to go on with; nothing else but the chain's URL is then looked at.
        tensorboard: Whether to write TensorBoard event files too.
        metrics_port: Where to serve metrics; None serves none.
        data_root: Folder of the data sets that are not bundled.
        batch: Whether a simulation fits the users of all clients of a round together.
        device: Where clients train NCF: "auto", "cpu" or "cuda".
    """

    out: Path | None
    chain: str
    account_dir: Path | None
    deployment: Path | None
    data_root: Path | None
    resume: Path | None = None
    tensorboard: bool = False
    metrics_port: int | None = None
    batch: bool = False
    device: Device = "auto"


def data_root() -> Path:
    """Return the folder of all data sets that are not bundled, whether it is there or not.

    It is the one that TFEDRS_DATA names, else `tfedrs/data` in the user's cache: XDG_CACHE_HOME, else ~/.cache.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # to be ignored, says the XDG Base Directory Specification
        try:
            cache = Path.home() / ".cache"
        except RuntimeError:  # a user without a home, as containers have them
            cache = Path.cwd() / ".cache"
    return cache / "tfedrs" / "data"
