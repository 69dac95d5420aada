"""`tfedrs run`, `tfedrs simulate` and `tfedrs experiment`."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from common.config import Settings
from common.device import resolved
from common.errors import WrongUse


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Train with real processes, or hold a federation for `flwr run`."""
    if parsed.chain == "memory":
        raise WrongUse("The memory ledger lives in one process; use it with `tfedrs simulate`, or --chain embedded.")
    if parsed.hold:
        from launch.commands.hold import hold  # noqa: PLC0415

        if parsed.json:
            raise WrongUse("A federation that is held has no report of its own; leave out --json, or leave out --hold.")
        train: Callable[..., dict[str, Any]] = hold
    else:
        from launch.commands.run import run as train_here  # noqa: PLC0415

        train = train_here
    if parsed.resume is not None:
        from launch.resumed_run import settings_of  # noqa: PLC0415

        return _train(parsed, train, settings_of(parsed.resume))
    return _train(parsed, train)


def simulate(parsed: argparse.Namespace) -> dict[str, Any]:
    """Train in this process."""
    from launch.commands.simulate import simulate as train_here  # noqa: PLC0415

    return _train(parsed, train_here)


def _train(
    parsed: argparse.Namespace, train: Callable[..., dict[str, Any]], settings: Settings | None = None
) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415

    from launch.progress import say_what_came_out  # noqa: PLC0415
    from launch.run_options import RunOptions, data_root  # noqa: PLC0415

    settings = settings or Settings(**{entry.name: getattr(parsed, entry.name) for entry in fields(Settings)})
    options = RunOptions(
        out=parsed.out,
        chain=parsed.chain,
        account_dir=parsed.account,
        deployment=parsed.deployment,
        data_root=data_root(),
        resume=getattr(parsed, "resume", None),
        tensorboard=parsed.tensorboard,
        metrics_port=getattr(parsed, "metrics_port", None),
        batch=getattr(parsed, "batch", False),
        device=parsed.device,
    )
    if options.device == "cuda":
        resolved(options.device)  # says so at once, and not by the first client's failure
    console = Console(stderr=True, quiet=parsed.json)
    report = train(settings, options, console)
    say_what_came_out(console, report)
    return report


def experiment(parsed: argparse.Namespace) -> dict[str, Any]:
    """Make a table or figure, or list them."""
    from launch.commands.experiment import experiment as play  # noqa: PLC0415
    from launch.commands.experiment import experiments  # noqa: PLC0415

    if parsed.name is None:
        known = experiments()
        width = max(map(len, known))
        for name, line in known.items():
            print(f"{name:{width}}  {line}")  # noqa: T201
    else:
        play(parsed.name, parsed.arguments)
    return {}
