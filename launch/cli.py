"""The command line. An error is one sentence on stderr and an exit code: 1 a check failed, 2 wrong use, 3 environment.

Heavy modules are imported only by the command that needs them, so that --help answers at once.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

# Protocol code runs on one BLAS thread, so that the same settings give the same bytes; numpy reads this when imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from common.config import Settings
from common.errors import EnvironmentFailure, TfedrsError, WrongUse
from launch.arguments import parser
from launch.termination import ENDING_SIGNALS, termination_raises

TRACEBACK_VARIABLE = "TFEDRS_TRACEBACK"
DATA_VARIABLE = "TFEDRS_DATA"
_INTERRUPTED = 130
_STOPPED = {128 + number for number in ENDING_SIGNALS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Raises:
        SystemExit: --help was asked for.
    """
    try:
        with termination_raises():
            parsed = parser().parse_args(arguments)
            result = _COMMANDS[parsed.command](parsed)
    except TfedrsError as error:
        return _failed(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _failed("Interrupted; everything that was started is stopped.", _INTERRUPTED)
    except SystemExit as end:
        if end.code not in _STOPPED:
            raise
        return _failed("Told to stop; everything that was started is stopped.", int(end.code))
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return _failed(
            f"The system refuses to go on ({what}); check the disk and the rights, or choose another folder.",
            EnvironmentFailure.exit_code,
        )
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happens
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        return _failed(
            f"This should not happen: {type(error).__name__}: {error}; "
            f"run it again with {TRACEBACK_VARIABLE}=1 and report what it prints.",
            TfedrsError.exit_code,
        )
    if parsed.json:
        print(json.dumps(result))  # noqa: T201
    return 0


def as_sentence(text: str) -> str:
    """Return a message as one line that begins with a capital letter and ends with a full stop.

    A first word that is no plain word (a flag, a path, a data set) is left as it is.
    """
    line = " ".join(text.split())
    first = line.split(" ", 1)[0]
    if first.isalpha():
        line = line[:1].upper() + line[1:]
    return line if line.endswith(".") else f"{line}."


def _failed(message: str, exit_code: int) -> int:
    print(f"tfedrs: {as_sentence(message)}", file=sys.stderr)  # noqa: T201 - the one place that speaks of errors
    return exit_code


def _run(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.chain == "memory":
        raise WrongUse("The memory ledger lives in one process; use it with `tfedrs simulate`, or --chain embedded.")
    if parsed.hold:
        from launch.commands.hold import hold  # noqa: PLC0415

        if parsed.json:
            raise WrongUse("A federation that is held has no report of its own; leave out --json, or leave out --hold.")
        train: Callable[..., dict[str, Any]] = hold
    else:
        from launch.commands.run import run  # noqa: PLC0415

        train = run
    if parsed.resume is not None:
        from launch.resumed_run import settings_of  # noqa: PLC0415

        return _train(parsed, train, settings_of(parsed.resume))
    return _train(parsed, train)


def _simulate(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.simulate import simulate  # noqa: PLC0415

    return _train(parsed, simulate)


def _train(
    parsed: argparse.Namespace, train: Callable[..., dict[str, Any]], settings: Settings | None = None
) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415

    from launch.progress import say_what_came_out  # noqa: PLC0415
    from launch.run_options import RunOptions  # noqa: PLC0415

    settings = settings or Settings(**{entry.name: getattr(parsed, entry.name) for entry in fields(Settings)})
    data_root = os.environ.get(DATA_VARIABLE)
    options = RunOptions(
        out=parsed.out,
        chain=parsed.chain,
        account_dir=parsed.account,
        deployment=parsed.deployment,
        data_root=Path(data_root) if data_root else None,
        resume=getattr(parsed, "resume", None),
        tensorboard=parsed.tensorboard,
    )
    console = Console(stderr=True, quiet=parsed.json)
    report = train(settings, options, console)
    say_what_came_out(console, report)
    return report


def _deploy(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.deploy import deploy  # noqa: PLC0415

    result = deploy(parsed.chain, parsed.account, parsed.out, parsed.treasury, parsed.challenge_window)
    _say(parsed, f"RoundLedger at {result['round_ledger']} on chain {result['chain_id']}; addresses in {parsed.out}.")
    return result


def _claim(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.claim import claim, describe  # noqa: PLC0415

    result = claim(parsed.run_dir, parsed.account, parsed.chain, parsed.payer)
    _say(parsed, describe(result))
    return result


def _verify(parsed: argparse.Namespace) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from launch.commands.verify import count_rounds, describe, verify  # noqa: PLC0415
    from server.replay.mismatch import Mismatch  # noqa: PLC0415

    rounds = count_rounds(parsed.run_dir)
    console = Console(stderr=True, quiet=parsed.json)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rounds", total=rounds)
        try:
            result = verify(
                parsed.run_dir,
                parsed.chain,
                public_only=parsed.public_only,
                on_round=lambda done: progress.update(bar, completed=done),
            )
        except Mismatch as mismatch:
            if parsed.json:
                print(json.dumps({"verified": False, "mismatch": mismatch.record()}))  # noqa: T201
            raise
    _say(parsed, describe(result))
    return result


def _account(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.deploy import new_account  # noqa: PLC0415

    result = new_account(parsed.folder)
    _say(parsed, f"Account {result['account']} is in {parsed.folder}; keep both files, and send it money for gas.")
    return result


def _provision(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import provision  # noqa: PLC0415

    data_root = os.environ.get(DATA_VARIABLE)
    result = provision(parsed.plan, parsed.out, parsed.account, Path(data_root) if data_root else None)
    folders = ", ".join(result["participants"].values())
    _say(parsed, f"The coordinator's folder is {result['coordinator']}; the participants' are {folders}.")
    _say(parsed, "Each holds a README.md with the one command to start.")
    return result


def _coordinate(parsed: argparse.Namespace) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415

    from launch.commands.coordinate import coordinate  # noqa: PLC0415

    coordinate(parsed.folder, parsed.chain, Console(stderr=True, quiet=parsed.json))


def _participate(parsed: argparse.Namespace) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415

    from launch.commands.participate import participate  # noqa: PLC0415

    participate(parsed.folder, parsed.chain, Console(stderr=True, quiet=parsed.json))


def _join(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import join  # noqa: PLC0415

    result = join(parsed.folder, parsed.name, parsed.federation, new_node_key=parsed.new_node_key)
    _say(parsed, f"Send {result['request']} to the coordinator; nothing in it is secret.")
    return result


def _prepare_data(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import prepare_data  # noqa: PLC0415

    result = prepare_data(parsed.folder, parsed.csv, parsed.csv_columns)
    _say(parsed, f"{result['users']} users with {result['interactions']} interactions are in {parsed.folder}/data.npz.")
    if result["interactions_left_out"]:
        _say(
            parsed,
            f"Left out: {result['interactions_left_out']} lines about {result['unknown_items']} items that the "
            f"catalogue does not have, and {result['users_left_out']} users who had no others.",
        )
    return result


def _admit(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import admit  # noqa: PLC0415

    result = admit(parsed.folder, parsed.request)
    what = "has a new node key" if result["rotated"] else f"is admitted; send it what is in {result['folder']}"
    _say(parsed, f"{result['name']} {what}.")
    return result


def _revoke(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import revoke  # noqa: PLC0415

    result = revoke(parsed.folder, parsed.name)
    _say(parsed, f"The node of {parsed.name} is let in no more; what it has earned it can still claim.")
    return result


def _renew(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import renew  # noqa: PLC0415

    result = renew(parsed.folder)
    _say(parsed, f"Valid for {result['days']} days. Send {result['authority']} to every participant, for its ca.pem,")
    _say(parsed, "then start the coordinator again, and every participant.")
    return result


def _bundle(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.machines import bundle  # noqa: PLC0415

    result = bundle()
    _say(parsed, result["app_sha256"])
    return result


def _say(parsed: argparse.Namespace, sentence: str) -> None:
    if not parsed.json:
        print(sentence)  # noqa: T201


_COMMANDS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "run": _run,
    "simulate": _simulate,
    "deploy": _deploy,
    "verify": _verify,
    "claim": _claim,
    "account": _account,
    "provision": _provision,
    "coordinate": _coordinate,
    "participate": _participate,
    "join": _join,
    "prepare-data": _prepare_data,
    "admit": _admit,
    "revoke": _revoke,
    "renew": _renew,
    "bundle": _bundle,
}


if __name__ == "__main__":
    sys.exit(main())
