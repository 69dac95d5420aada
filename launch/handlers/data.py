"""`tfedrs data list`, `fetch` and `info`."""

import argparse
from typing import Any

from launch.handlers.say import say


def data(parsed: argparse.Namespace) -> dict[str, Any]:
    """Do what the second word says."""
    return {"list": _list, "fetch": _fetch, "info": _info}[parsed.data_command](parsed)


def _list(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.data import list_lines  # noqa: PLC0415
    from launch.data_sets.look import overview  # noqa: PLC0415
    from launch.run_options import data_root  # noqa: PLC0415

    result = {"root": str(data_root()), "data_sets": overview(data_root())}
    say(parsed, "\n".join(list_lines(result)))
    return result


def _info(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.data import info_lines  # noqa: PLC0415
    from launch.data_sets.look import describe  # noqa: PLC0415
    from launch.run_options import data_root  # noqa: PLC0415

    result = describe(parsed.name, data_root(), parsed.csv_columns)
    say(parsed, "\n".join(info_lines(result)))
    return result


def _fetch(parsed: argparse.Namespace) -> dict[str, Any]:
    """Fetch one after the other, with a bar; the terms are shown before anything is downloaded."""
    from rich.console import Console  # noqa: PLC0415

    from launch.commands.data import fetch_all  # noqa: PLC0415
    from launch.run_options import data_root  # noqa: PLC0415

    console = Console(stderr=True, quiet=parsed.json)
    return fetch_all(parsed.names, data_root(), console, lambda sentence: say(parsed, sentence))
