"""The commands for separate machines."""

import argparse
from typing import Any

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

    stay(parsed.folder, parsed.chain, Console(stderr=True, quiet=parsed.json))


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
