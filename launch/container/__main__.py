"""`python -m launch.container SERVICE`, as docker-compose.yml calls it. Errors are those of `tfedrs`."""

import os
import sys
from dataclasses import fields
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as in launch/cli.py, before numpy

from common.config import Settings, flag_of
from common.errors import TfedrsError
from common.log_lines import wants_json
from launch.arguments import Parser, add_settings
from launch.cli import as_sentence

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one service; returns its exit code."""
    top = Parser(prog="launch.container", description="What the services of docker-compose.yml run.")
    services = top.add_subparsers(metavar="SERVICE", dest="service", required=True)
    for name in ("chain", "superlink", "coordinator", "client", "status"):
        services.add_parser(name)
    services.add_parser("node").add_argument("folder", type=Path)  # what the service client starts
    add_settings(services.add_parser("prepare"))
    train = services.add_parser("train")
    train.add_argument("--resume", metavar="N", help="go on with the interrupted run N, as it was set")
    add_settings(train, only_told=True)
    try:
        parsed = top.parse_args(arguments)
        wants_json()  # a wrong TFEDRS_LOG_FORMAT is told at once
        told = {flag_of(entry.name): vars(parsed)[entry.name] for entry in fields(Settings) if entry.name in parsed}
        if parsed.service == "node":
            from launch.container.node import node  # noqa: PLC0415

            node(parsed.folder)
        return _serve(parsed.service, told, getattr(parsed, "resume", None))
    except TfedrsError as error:
        print(f"tfedrs: {as_sentence(str(error))}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED


def _serve(service: str, told: dict[str, bool | int | float | str], resume: str | None) -> int:
    if service == "prepare":
        from rich.console import Console  # noqa: PLC0415

        from launch.container.prepare import prepare  # noqa: PLC0415
        from launch.run_options import data_root  # noqa: PLC0415

        prepare(Settings.from_run_config(told), data_root(), Console())
        return 0
    if service == "train":
        from rich.console import Console  # noqa: PLC0415

        from launch.container.train import check_resumable, train  # noqa: PLC0415

        check_resumable(resume)
        train(told, resume, Console(stderr=True))
        return 0
    if service == "status":
        from launch.container.look import look  # noqa: PLC0415

        print(look())  # noqa: T201
        return 0
    if service == "superlink":
        from launch.container.superlink import superlink  # noqa: PLC0415

        return superlink()
    if service == "coordinator":
        from launch.container.coordinator import coordinator  # noqa: PLC0415

        return coordinator()
    from launch.container.services import chain, client  # noqa: PLC0415

    return chain() if service == "chain" else client()


if __name__ == "__main__":
    sys.exit(main())
