"""Who may connect: one file each in the coordinator's `nodes/`, which a running coordinator watches.

Adding a file admits a node, changing its key rotates it, removing it revokes it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.errors import WrongUse

NODES_DIR = "nodes"


@dataclass(frozen=True)
class AdmittedNode:
    """A participant as the coordinator knows it: its name, its account's address, its node's public key (PEM)."""

    name: str
    account: str
    node_public_key: str

    def save(self, coordinator_dir: Path) -> None:
        """Write it, in the place of an earlier one of that name."""
        content = json.dumps(asdict(self), indent=2).encode()
        write_atomically(coordinator_dir / NODES_DIR / f"{self.name}.json", content)


def admitted_nodes(coordinator_dir: Path) -> dict[str, AdmittedNode]:
    """Read all of them, by name.

    Raises:
        WrongUse: a file is damaged.
    """
    found = {}
    for path in sorted((coordinator_dir / NODES_DIR).glob("*.json")):
        try:
            record = parse_json(path.read_bytes())
            node = AdmittedNode(str(record["name"]), str(record["account"]), str(record["node_public_key"]))
        except FileNotFoundError:
            continue  # revoked while we looked
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(f"{path} cannot be read ({error}); remove it and admit the participant again.") from error
        found[node.name] = node
    return found
