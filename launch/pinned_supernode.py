"""Flower's SuperNode, which hands no app to a client process unless its bundle is on this machine's list.

`python -P launch/pinned_supernode.py FLAGS OF flower-supernode`, with the sha256 values in TFEDRS_ALLOWED_APPS, blanks
between them. Flower's own `--trusted-entities` wants signatures of a service of Flower's; here bytes are hashed. The
check stands where Flower's stands: after the download, before anything is stored, unpacked or run. A bundle that is
refused is answered as Flower answers an unverified one, so the node stays up, and loses that run's rounds.

It replaces two private functions of flwr 1.41.0, the version that is pinned.
"""

import hashlib
import os
from collections.abc import Callable
from logging import ERROR
from typing import Any

from flwr.common.logger import log
from flwr.supercore.fab import Fab
from flwr.supernode import start_client_internal
from flwr.supernode.cli.flower_supernode import flower_supernode

ALLOWED_VARIABLE = "TFEDRS_ALLOWED_APPS"
_ASK = {"the list of this machine": ""}  # any entry makes Flower ask `_verify_fab`


def allow_only(allowed: frozenset[str]) -> None:
    """From now on, let this process take only bundles with these sha256 values (hexadecimal)."""
    pull: Callable[..., int | None] = start_client_internal._pull_and_store_message

    def pull_with_check(**arguments: Any) -> int | None:
        get_fab = arguments["get_fab"]

        def marked(fab_hash: str, run_id: int) -> Fab:
            fab = get_fab(fab_hash, run_id)
            return Fab(fab.hash_str, fab.content, {"valid_license": "not looked at: the bytes are"})

        return pull(**arguments | {"get_fab": marked, "trusted_entities": _ASK})

    def is_allowed(fab: Fab, _: dict[str, str]) -> bool:
        found = hashlib.sha256(fab.content).hexdigest()
        if found not in allowed:
            log(ERROR, "The app bundle %s is not on the list of this machine; it is refused.", found)
        return found in allowed

    vars(start_client_internal).update(_pull_and_store_message=pull_with_check, _verify_fab=is_allowed)


if __name__ == "__main__":
    allow_only(frozenset(os.environ[ALLOWED_VARIABLE].split()))
    flower_supernode()
