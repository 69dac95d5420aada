"""Which chain a run writes to: one given by URL, Anvil, or the embedded EVM."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import EnvironmentFailure, WrongUse
from contracts.connection import read_chain_id
from launch import anvil, embedded_chain, json_rpc
from launch.processes import Supervisor

URL_VARIABLE = "TFEDRS_CHAIN_URL"
DEVELOPMENT_BALANCE_WEI = 10_000 * 10**18

ChainKind = Literal["anvil", "embedded", "external"]


@dataclass(frozen=True)
class ChainEndpoint:
    """A chain that answers."""

    kind: ChainKind
    url: str
    chain_id: int

    @property
    def development(self) -> bool:
        """Whether this program started the chain itself: only there are the well-known development keys safe."""
        return self.kind != "external"


@contextmanager
def open_chain(choice: str, folder: Path) -> Iterator[ChainEndpoint]:
    """Make a chain available inside the `with` block; a chain that was started is stopped at its end.

    Args:
        choice: "auto" (the URL in TFEDRS_CHAIN_URL, else Anvil where found, else the embedded chain), "embedded",
            "anvil", or a URL. Where the folder already holds the state of a chain, "auto" starts that one again.
        folder: Holds the state and the log of a chain that is started here.

    Raises:
        WrongUse: the choice is none of these.
        EnvironmentFailure: the chain does not answer or does not start.
    """
    kind, url = _resolve(choice, folder)
    if kind == "external":
        yield ChainEndpoint(kind, url, read_chain_id(url))
        return
    with Supervisor() as supervisor:
        if kind == "anvil":
            program = anvil.find_anvil()
            if program is None:
                raise EnvironmentFailure(
                    "The run needs Anvil, which is not here; install it (npm ci), or name it with TFEDRS_ANVIL."
                )
            url = anvil.start_anvil(supervisor, program, folder)
        else:
            url = embedded_chain.start_embedded_chain(supervisor, folder)
        yield ChainEndpoint(kind, url, read_chain_id(url))


def fund_development_account(endpoint: ChainEndpoint, address: str, wei: int = DEVELOPMENT_BALANCE_WEI) -> None:
    """Give an account gas money out of nothing, which only a chain started here can do.

    Raises:
        WrongUse: the chain was not started here.
        EnvironmentFailure: it does not answer.
    """
    if not endpoint.development:
        raise WrongUse(f"The chain at {endpoint.url} gives no money away; send {address} some for gas.")
    # Anvil's own method; the embedded chain offers it under the same name.
    json_rpc.request(endpoint.url, "anvil_setBalance", address, hex(wei))


def _resolve(choice: str, folder: Path) -> tuple[ChainKind, str]:
    """Return the kind, and the URL of an external chain (else "")."""
    if choice == "embedded":
        return "embedded", ""
    if choice == "anvil":
        return "anvil", ""
    url = os.environ.get(URL_VARIABLE, "") if choice == "auto" else choice
    if url:
        if "://" not in url:
            raise WrongUse(f"{url!r} is no chain; give auto, embedded, anvil or a URL like http://127.0.0.1:8545.")
        return "external", url
    return _kind_for(folder), ""


def _kind_for(folder: Path) -> ChainKind:
    """Return the kind whose state the folder holds, else the best that can be started here."""
    if (folder / embedded_chain.JOURNAL_FILE).exists():
        return "embedded"
    if (folder / anvil.STATE_FILE).exists() or anvil.find_anvil() is not None:
        return "anvil"
    return "embedded"
