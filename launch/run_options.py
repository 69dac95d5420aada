"""What a run needs beside its settings: where to write, which chain, whose account."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """Options that do not change the result.

    Attributes:
        out: The run folder; None makes a new one below `runs/`.
        chain: "auto", "anvil", "embedded", "memory" (simulation only) or a URL.
        account_dir: On a chain given by URL, the folder of the coordinator's funded account.
        deployment: On a chain given by URL, the file of the contracts to use; None deploys new ones. What their
            ledger has paid so far is kept beside that file.
        resume: The folder of an interrupted run to go on with; nothing else but the chain's URL is then looked at.
        tensorboard: Whether to write TensorBoard event files too.
        data_root: Folder of the data sets that are not bundled (TFEDRS_DATA).
    """

    out: Path | None
    chain: str
    account_dir: Path | None
    deployment: Path | None
    data_root: Path | None
    resume: Path | None = None
    tensorboard: bool = False
