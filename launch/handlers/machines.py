"""The commands for separate machines."""

import argparse
from typing import Any

from common.device import resolved
from launch.handlers.say import say


def provision(parsed: argparse.Namespace) -> dict[str, Any]:
    """Write a folder for each machine."""
    from launch.commands.machines import provision as write_folders  # noqa: PLC0415
    from launch.run_options import data_root  # noqa: PLC0415

    result = write_folders(parsed.plan, parsed.out, parsed.account, data_root())
    folders = ", ".join(result["participants"].values())
    say(parsed, f"The coordinator's folder is {result['coordinator']}; the participants' are {folders}.")
    say(parsed, "Each holds a README.md with the one command to start.")
    return result


def coordinate(parsed: argparse.Namespace) -> dict[str, Any]:
    """Be the coordinator's machine."""
    from rich.console import Console  # noqa: PLC0415

    from launch.commands.coordinate import coordinate as stay  # noqa: PLC0415

    stay(parsed.folder, parsed.chain, parsed.metrics_port, Console(stderr=True, quiet=parsed.json))


def participate(parsed: argparse.Namespace) -> dict[str, Any]:
    """Be a participant's machine."""
    from rich.console import Console  # noqa: PLC0415

    from launch.commands.participate import participate as stay  # noqa: PLC0415

    if parsed.device == "cuda":
        resolved(parsed.device)
    stay(parsed.folder, parsed.chain, parsed.device, Console(stderr=True, quiet=parsed.json))


def join(parsed: argparse.Namespace) -> dict[str, Any]:
    """Make a participant's keys and its request."""
    from launch.commands.machines import join as make_request  # noqa: PLC0415

    result = make_request(parsed.folder, parsed.name, parsed.federation, new_node_key=parsed.new_node_key)
    say(parsed, f"Send {result['request']} to the coordinator; nothing in it is secret.")
    return result


def admit(parsed: argparse.Namespace) -> dict[str, Any]:
    """Let a node in."""
    from launch.commands.machines import admit as let_in  # noqa: PLC0415

    result = let_in(parsed.folder, parsed.request)
    what = "has a new node key" if result["rotated"] else f"is admitted; send it what is in {result['folder']}"
    say(parsed, f"{result['name']} {what}.")
    return result


def revoke(parsed: argparse.Namespace) -> dict[str, Any]:
    """Let a node in no more."""
    from launch.commands.machines import revoke as shut_out  # noqa: PLC0415

    result = shut_out(parsed.folder, parsed.name)
    say(parsed, f"The node of {parsed.name} is let in no more; what it has earned it can still claim.")
    return result


def bundle(parsed: argparse.Namespace) -> dict[str, Any]:
    """Hash the app bundle of this checkout."""
    from launch.commands.machines import bundle as hash_bundle  # noqa: PLC0415

    result = hash_bundle()
    say(parsed, result["app_sha256"])
    return result


def prepare_data(parsed: argparse.Namespace) -> dict[str, Any]:
    """Make a participant's data of its own file."""
    from launch.commands.machines import prepare_data as cut  # noqa: PLC0415

    result = cut(parsed.folder, parsed.csv, parsed.csv_columns)
    say(parsed, f"{result['users']} users with {result['interactions']} interactions are in {parsed.folder}/data.npz.")
    if result["interactions_left_out"]:
        say(
            parsed,
            f"Left out: {result['interactions_left_out']} lines about {result['unknown_items']} items that the "
            f"catalogue does not have, and {result['users_left_out']} users who had no others.",
        )
    return result


def renew(parsed: argparse.Namespace) -> dict[str, Any]:
    """Make new certificates for a federation."""
    from launch.commands.machines import renew as make_certificates  # noqa: PLC0415

    result = make_certificates(parsed.folder)
    say(parsed, f"Valid for {result['days']} days. Send {result['authority']} to every participant, for its ca.pem,")
    say(parsed, "then start the coordinator again, and every participant.")
    return result
