"""What Flower's own command line needs to find a federation: a FLWR_HOME with one connection in it."""

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.bounded_toml import read_toml
from common.errors import WrongUse

CONNECTION = "local"


@dataclass(frozen=True)
class Connection:
    """How the SuperLink of a federation is reached: "host:port", and the PEM file of its authority."""

    address: str
    authority: Path


def read_flower_home(home: Path) -> Connection | None:
    """Return the connection that `write_flower_home` wrote, None where there is none."""
    try:
        connection = read_toml(home / "config.toml")["superlink"][CONNECTION]
        return Connection(str(connection["address"]), Path(connection["root-certificates"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{home}/config.toml cannot be read ({error}); start the federation again.") from error


def write_flower_home(home: Path, address: str, authority: Path) -> None:
    """Write `config.toml` below `home`; its only connection, `local`, is also the default one.

    Args:
        home: To be named by the variable FLWR_HOME of every `flwr` command.
        address: The SuperLink's "host:port".
        authority: PEM file of the authority that signed the SuperLink's certificate.
    """
    connection = {"address": address, "root-certificates": str(authority.absolute())}
    config = {"superlink": {"default": CONNECTION, CONNECTION: connection}}
    write_atomically(home / "config.toml", tomli_w.dumps(config).encode())
