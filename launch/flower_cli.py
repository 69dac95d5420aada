"""What Flower's own command line needs to find a federation: a FLWR_HOME with one connection in it."""

from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically

CONNECTION = "local"


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
