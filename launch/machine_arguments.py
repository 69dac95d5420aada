"""The flags of the commands for separate machines."""

import argparse
from collections.abc import Callable
from pathlib import Path

from common.device import DEVICES
from launch.federation_plan import EXAMPLE

Add = Callable[[str, str, str], argparse.ArgumentParser]
"""From a command's name, its help and its examples to its parser."""


def add_metrics_port(added: argparse._ActionsContainer) -> None:
    """Add `--metrics-port`."""
    text = "serve Prometheus metrics on this port of 127.0.0.1"
    added.add_argument("--metrics-port", type=int, metavar="PORT", help=text)


def add_device(added: argparse._ActionsContainer) -> None:
    """Add `--device`."""
    text = "where clients train ncf under the softmax: auto is a GPU where torch sees one (%(default)s)"
    added.add_argument("--device", choices=DEVICES, default="auto", help=text)


def add_machine_commands(add: Add) -> None:
    """Add `provision`, `coordinate`, `participate`, `join`, `prepare-data`, `admit`, `revoke`, `renew` and
    `bundle`.
    """
    provision = add(
        "provision",
        "a folder for each machine of a federation",
        f"  tfedrs provision federation.toml --out cinema\n\nfederation.toml:\n{EXAMPLE}",
    )
    provision.add_argument("plan", type=Path, metavar="FEDERATION.toml", help="who takes part, where, on which chain")
    provision.add_argument("--out", type=Path, metavar="DIR", help="(a folder with the federation's name)")
    provision.add_argument("--account", type=Path, metavar="DIR", help="with a chain by URL: the account that pays")

    coordinate = add("coordinate", "the coordinator's machine", "  tfedrs coordinate cinema/coordinator")
    coordinate.add_argument("folder", type=Path, metavar="DIR", help="as provision wrote it")
    coordinate.add_argument("--chain", default="auto", metavar="URL", help="another URL of the plan's chain")
    add_metrics_port(coordinate)

    participate = add("participate", "a participant's machine", "  tfedrs participate cinema/participants/alice")
    participate.add_argument("folder", type=Path, metavar="DIR", help="as provision wrote it, with its keys")
    participate.add_argument("--chain", default="", metavar="URL", help="look whether this chain has the contracts")
    add_device(participate)

    join = add(
        "join",
        "keys made on a participant's own machine, and a request for the coordinator",
        "  tfedrs join carol --name carol --federation cinema\n"
        "\n  # a new node key, in the place of the one it has\n  tfedrs join carol --new-node-key",
    )
    join.add_argument("folder", type=Path, metavar="DIR", help="the participant's folder")
    join.add_argument("--name", metavar="NAME", help="(as in participant.toml)")
    join.add_argument("--federation", metavar="NAME", help="(as in participant.toml)")
    join.add_argument("--new-node-key", action="store_true", help="replace node.key")

    prepare = add(
        "prepare-data",
        "a participant's own interactions, cut on its own machine",
        "  tfedrs prepare-data carol --csv ratings.csv \\\n      --csv-columns user=userId,item=movieId,timestamp=time",
    )
    prepare.add_argument("folder", type=Path, metavar="DIR", help="the participant's folder, with the catalogue")
    prepare.add_argument("--csv", type=Path, metavar="FILE", required=True, help="one line an interaction")
    prepare.add_argument(
        "--csv-columns", metavar="NAMES", required=True, help="as for `tfedrs run`; items by the catalogue's ids"
    )

    admit = add("admit", "a request checked, its node let in", "  tfedrs admit cinema/coordinator request.json")
    admit.add_argument("folder", type=Path, metavar="DIR", help="the coordinator's folder")
    admit.add_argument("request", type=Path, metavar="REQUEST", help="what `tfedrs join` wrote")

    revoke = add("revoke", "a participant's node let in no more", "  tfedrs revoke cinema/coordinator alice")
    revoke.add_argument("folder", type=Path, metavar="DIR", help="the coordinator's folder")
    revoke.add_argument("name", metavar="NAME", help="the participant")

    renew = add("renew", "new certificates for the coordinator", "  tfedrs renew cinema/coordinator")
    renew.add_argument("folder", type=Path, metavar="DIR", help="the coordinator's folder")

    add("bundle", "the sha256 of the app bundle that this checkout makes", "  tfedrs bundle")
