"""`tfedrs account`, `deploy`, `claim` and `verify`: what is done with a chain and a record that are there."""

import argparse
import json
from typing import Any

from launch.handlers.say import say


def account(parsed: argparse.Namespace) -> dict[str, Any]:
    """Make an account."""
    from launch.commands.deploy import new_account  # noqa: PLC0415

    result = new_account(parsed.folder)
    say(parsed, f"Account {result['account']} is in {parsed.folder}; keep both files, and send it money for gas.")
    return result


def deploy(parsed: argparse.Namespace) -> dict[str, Any]:
    """Deploy the contracts."""
    from launch.commands.deploy import deploy as deploy_contracts  # noqa: PLC0415

    result = deploy_contracts(parsed.chain, parsed.account, parsed.out, parsed.treasury, parsed.challenge_window)
    say(parsed, f"RoundLedger at {result['round_ledger']} on chain {result['chain_id']}; addresses in {parsed.out}.")
    return result


def claim(parsed: argparse.Namespace) -> dict[str, Any]:
    """Collect a participant's reward."""
    from launch.commands.claim import claim as collect  # noqa: PLC0415
    from launch.commands.claim import describe  # noqa: PLC0415

    result = collect(parsed.run_dir, parsed.account, parsed.chain, parsed.payer)
    say(parsed, describe(result))
    return result


def verify(parsed: argparse.Namespace) -> dict[str, Any]:
    """Recompute a run, with a bar over its rounds."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from launch.commands.verify import count_rounds, describe  # noqa: PLC0415
    from launch.commands.verify import verify as recompute  # noqa: PLC0415
    from server.replay.mismatch import Mismatch  # noqa: PLC0415

    rounds = count_rounds(parsed.run_dir)
    console = Console(stderr=True, quiet=parsed.json)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rounds", total=rounds)
        try:
            result = recompute(
                parsed.run_dir,
                parsed.chain,
                public_only=parsed.public_only,
                on_round=lambda done: progress.update(bar, completed=done),
            )
        except Mismatch as mismatch:
            if parsed.json:
                print(json.dumps({"verified": False, "mismatch": mismatch.record()}))  # noqa: T201
            raise
    say(parsed, describe(result))
    return result
