"""Who takes part in a prepared federation: the public list that SuperLink and coordinator read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from common.atomic_file import write_atomically
from common.bounded_toml import read_toml
from common.errors import WrongUse


@dataclass(frozen=True)
class Member:
    """One client.

    Attributes:
        name: Of its folder, such as "client-01".
        account: Its address on the chain.
        node_key: The public key, as PEM, that its SuperNode proves to have.
    """

    name: str
    account: str
    node_key: str


def save_members(path: Path, members: Sequence[Member]) -> None:
    """Write the list, whole or not at all."""
    content = {"members": [vars(member) for member in members]}
    write_atomically(path, tomli_w.dumps(content).encode())


def load_members(path: Path) -> tuple[Member, ...]:
    """Read what `save_members` wrote.

    Raises:
        WrongUse: there is no such list.
    """
    try:
        records = read_toml(path)["members"]
        return tuple(Member(record["name"], record["account"], record["node_key"]) for record in records)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{path} is no list of members ({error}): let the prepare service write it again.") from error
