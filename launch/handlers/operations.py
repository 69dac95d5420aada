"""The commands that look after runs."""

import argparse
import json
import time
from typing import Any

from common.errors import WrongUse
from launch.handlers.say import say

_LOOK_SECONDS = 1.0


def status(parsed: argparse.Namespace) -> dict[str, Any]:
    """Look at a run, once or until it has ended."""
    if parsed.watch and parsed.json:
        raise WrongUse("--json prints one object, and --watch looks again and again; leave one of them out.")
    from launch.commands.status import describe  # noqa: PLC0415
    from launch.commands.status import status as look  # noqa: PLC0415

    seen = look(parsed.folder)
    if not parsed.watch:
        say(parsed, describe(seen))
        return seen
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(Text(describe(seen)), console=Console(), auto_refresh=False) as shown:
        while seen["state"] in ("not begun", "running"):
            time.sleep(_LOOK_SECONDS)
            seen = look(parsed.folder)
            shown.update(Text(describe(seen)), refresh=True)
    return seen


def doctor(parsed: argparse.Namespace) -> dict[str, Any]:
    """Look for what will not work; exit code 1 where something will not."""
    from launch.commands.doctor import as_record, describe, examine, raise_if_any_failed  # noqa: PLC0415

    findings = examine(parsed.folder, parsed.chain)
    if parsed.json:
        record = as_record(findings)
        if not record["healthy"]:
            print(json.dumps(record))  # noqa: T201
    else:
        say(parsed, describe(findings))
    raise_if_any_failed(findings)
    return as_record(findings)


def backup(parsed: argparse.Namespace) -> dict[str, Any]:
    """Write a backup."""
    from launch.commands.backup import backup as write_backup  # noqa: PLC0415

    result = write_backup(parsed.folder, parsed.out)
    say(parsed, f"{result['file']} holds {result['files']} files, {result['bytes']:,} bytes, private keys among them.")
    return result


def restore(parsed: argparse.Namespace) -> dict[str, Any]:
    """Write a backup's files into a new folder."""
    from launch.commands.backup import restore as write_files  # noqa: PLC0415

    result = write_files(parsed.archive, parsed.into)
    say(parsed, f"{result['folder']} is a {result['kind']} again; never let the one that it is a copy of run too.")
    if result["given_ledger"] is not None:
        say(
            parsed,
            f"{result['given_ledger']} holds the addresses and rewards of a ledger that other runs may use too; put "
            "them where they lay, unless newer ones are there.",
        )
    return result
