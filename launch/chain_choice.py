"""Which chain a run writes to: one given by URL, Anvil, or the embedded EVM."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common.errors import EnvironmentFailure, WrongUse
from contracts.connection import read_chain_id
from launch import anvil, embedded_chain, json_rpc
from launch.anvil_state import STATE_FILE, mend_state, whole_copy_kept
from launch.processes import ChildProcess, Supervisor

URL_VARIABLE = "TFEDRS_CHAIN_URL"
DEVELOPMENT_BALANCE_WEI = 10_000 * 10**18

ChainKind = Literal["anvil", "embedded", "external"]


@dataclass(frozen=True)
class ChainEndpoint:
    """A chain that answers, and the processes of one that was started here."""

    kind: ChainKind
    url: str
    chain_id: int
    processes: tuple[ChildProcess, ...] = ()

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
    url = external_url(choice)
    if url:
        yield ChainEndpoint("external", url, read_chain_id(url))
        return
    kind = _kind_to_start(choice, folder)
    with Supervisor() as supervisor, ExitStack() as stack:
        if kind == "anvil":
            program = anvil.find_anvil()
            if program is None:
                raise EnvironmentFailure(
                    "The run needs Anvil, which is not here; install it (npm ci), or name it with TFEDRS_ANVIL."
                )
            if sentence := mend_state(folder):
                print(sentence, file=sys.stderr)  # noqa: T201 - on its way to people, whichever command it is
            url = anvil.start_anvil(supervisor, program, folder)
            stack.enter_context(whole_copy_kept(folder))
        else:
            url = embedded_chain.start_embedded_chain(supervisor, folder)
        yield ChainEndpoint(kind, url, read_chain_id(url), supervisor.children)


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


def external_url(choice: str) -> str:
    """Return the URL of a chain that is not started here, "" for one that is.

    Args:
        choice: As for `open_chain`.

    Raises:
        WrongUse: the choice is none of these.
    """
    if choice in ("embedded", "anvil"):
        return ""
    url = os.environ.get(URL_VARIABLE, "") if choice == "auto" else choice
    if url and "://" not in url:
        raise WrongUse(f"{url!r} is no chain; give auto, embedded, anvil or a URL like http://127.0.0.1:8545.")
    return url


def kept_chain(folder: Path) -> Literal["anvil", "embedded"] | None:
    """Return the kind of chain whose state the folder holds, None where it holds none."""
    if (folder / embedded_chain.JOURNAL_FILE).exists():
        return "embedded"
    return "anvil" if (folder / STATE_FILE).exists() else None


def _kind_to_start(choice: str, folder: Path) -> ChainKind:
    """Return the kind that was asked for; for "auto" the one that the folder holds, else the best there is."""
    if choice == "embedded":
        return "embedded"
    if choice == "anvil":
        return "anvil"
    return kept_chain(folder) or ("anvil" if anvil.find_anvil() is not None else "embedded")
