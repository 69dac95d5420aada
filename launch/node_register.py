"""Keeps a running federation in step with the coordinator's `nodes/`: admits, rotates and revokes while runs go on."""

from pathlib import Path
from typing import TYPE_CHECKING

from launch.admitted_nodes import AdmittedNode, admitted_nodes
from server.ledger import Ledger

if TYPE_CHECKING:
    from launch.control_api import ControlApi


class NodeRegister:
    """Compares the folder with what the SuperLink and the ledger know."""

    def __init__(self, control: "ControlApi", ledger: Ledger, coordinator_dir: Path) -> None:
        self._control = control
        self._ledger = ledger
        self._folder = coordinator_dir
        self._known: dict[str, AdmittedNode] | None = None

    def follow(self) -> list[str]:
        """Do what the folder asks for; return one line for each change.

        A new account is registered on the ledger, with a stake that the coordinator pays. A revoked one stays there:
        it may still claim what it has earned.

        Raises:
            WrongUse: a file in the folder is damaged.
            EnvironmentFailure: the chain or the SuperLink does not answer; the next call tries again.
        """
        wanted = admitted_nodes(self._folder)
        if wanted == self._known:
            return []
        self._ledger.register_for([node.account for node in wanted.values()], self._ledger.minimum_stake_wei())
        registered = self._control.registered_nodes()
        keys = {node.node_public_key.encode(): node.name for node in wanted.values()}
        said = []
        for key, node_id in registered.items():
            if key not in keys:
                self._control.unregister_node(node_id)
                said.append(f"node {node_id} is let in no more")
        for key, name in keys.items():
            if key not in registered:
                said.append(f"{name} is let in as node {self._control.register_node(key, name)}")
        self._known = wanted
        return said
