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
from typing import Any, NoReturn

# Protocol code runs on one BLAS thread, so that the same settings give the same bytes; numpy reads this when imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from common.config import Settings, flag_of
from common.errors import TfedrsError, WrongUse

TRACEBACK_VARIABLE = "TFEDRS_TRACEBACK"
DATA_VARIABLE = "TFEDRS_DATA"
_INTERRUPTED = 130

_RUN_EXAMPLES = """examples:
  tfedrs {command}                                        five clients, five rounds, the bundled MovieLens data
  tfedrs {command} --clients 10 --rounds 8 --partition taste
  tfedrs {command} --dataset csv:ratings.csv --csv-columns user=userId,item=movieId,timestamp=time
  tfedrs {command} --chain embedded --json > report.json"""


class _Parser(argparse.ArgumentParser):
    """argparse, but a mistake costs one sentence instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise WrongUse(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        parsed = _parser().parse_args(arguments)
        result = parsed.run(parsed)
    except TfedrsError as error:
        print(f"tfedrs: {error}", file=sys.stderr)  # noqa: T201 - the one place that speaks
        return error.exit_code
    except KeyboardInterrupt:
        print("tfedrs: Interrupted; everything that was started is stopped.", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, whatever happens
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        print(  # noqa: T201
            f"tfedrs: This should not happen: {type(error).__name__}: {error}; "
            f"run it again with {TRACEBACK_VARIABLE}=1 and report what it prints.",
            file=sys.stderr,
        )
        return 1
    if parsed.json:
        print(json.dumps(result))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tfedrs",
        description="A federated recommender with earned reputation and a public ledger.",
        epilog="Start with `tfedrs run`; each command has its own --help with examples.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands, "run", "a real local federation: chain, SuperLink, SuperNodes, rounds, report", _run)
    _add_run(commands, "simulate", "the same settings in one process", _simulate)
    deploy = _add(
        commands,
        "deploy",
        "the contracts on a chain given by URL",
        "  tfedrs account keys/operator\n"
        "  tfedrs deploy --chain http://127.0.0.1:8545 --account keys/operator --out deployment.json",
        _deploy,
    )
    deploy.add_argument("--chain", required=True, metavar="URL", help="JSON-RPC address of the chain")
    deploy.add_argument("--account", required=True, type=Path, metavar="DIR", help="account that pays and administers")
    deploy.add_argument("--out", default=Path("deployment.json"), type=Path, metavar="FILE", help="(%(default)s)")
    deploy.add_argument("--treasury", default=0, type=int, metavar="TOKENS", help="tokens for rewards (%(default)s)")
    deploy.add_argument(
        "--challenge-window", default=3600, type=int, metavar="SECONDS", help="from settlement to claim (%(default)s)"
    )
    claim = _add(
        commands,
        "claim",
        "a participant collects its reward",
        "  tfedrs claim --run runs/latest --account runs/latest/participants/client-01",
        _claim,
    )
    claim.add_argument(
        "--run", dest="run_dir", default=Path("runs/latest"), type=Path, metavar="DIR", help="(%(default)s)"
    )
    claim.add_argument("--account", required=True, type=Path, metavar="DIR", help="the participant's folder")
    claim.add_argument("--chain", default="auto", metavar="URL", help="auto starts the run's own chain again")
    claim.add_argument("--payer", type=Path, metavar="DIR", help="another account that pays the gas")
    account = _add(
        commands, "account", "make an account: keystore and passphrase", "  tfedrs account keys/me", _account
    )
    account.add_argument("folder", type=Path, metavar="DIR")
    return parser


def _add(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    help_text: str,
    examples: str,
    run: Callable[[argparse.Namespace], object],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[:1].upper()}{help_text[1:]}.",
        epilog=examples if examples.startswith("examples") else f"example:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
    parser.set_defaults(run=run)
    return parser


def _add_run(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    help_text: str,
    run: Callable[[argparse.Namespace], object],
) -> None:
    parser = _add(commands, name, help_text, _RUN_EXAMPLES.format(command=name), run)
    where = parser.add_argument_group("where")
    chains = "auto, anvil, embedded" + (", memory" if name == "simulate" else "") + " or a URL (auto)"
    where.add_argument("--chain", default="auto", help=chains)
    where.add_argument("--out", type=Path, metavar="DIR", help="the run folder (runs/<time>)")
    where.add_argument("--account", type=Path, metavar="DIR", help="with a chain by URL: the account that pays")
    where.add_argument("--deployment", type=Path, metavar="FILE", help="with a chain by URL: contracts to use")
    settings = parser.add_argument_group("settings")
    for entry in fields(Settings):
        text = f"{entry.metadata['description']} ({entry.default})".replace("%", "%%")
        flag = f"--{flag_of(entry.name)}"
        if isinstance(entry.default, bool):
            settings.add_argument(flag, action="store_true", default=entry.default, help=text)
        else:
            kind = type(entry.default)
            settings.add_argument(flag, type=kind, default=entry.default, metavar=kind.__name__.upper(), help=text)


def _run(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.run import run  # noqa: PLC0415

    if parsed.chain == "memory":
        raise WrongUse("The memory ledger lives in one process; use it with `tfedrs simulate`, or --chain embedded.")
    return _train(parsed, run)


def _simulate(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.simulate import simulate  # noqa: PLC0415

    return _train(parsed, simulate)


def _train(parsed: argparse.Namespace, train: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    from rich.console import Console  # noqa: PLC0415

    from launch.progress import clients_table, rounds_table, timing_line  # noqa: PLC0415
    from launch.run_options import RunOptions  # noqa: PLC0415

    settings = Settings(**{entry.name: getattr(parsed, entry.name) for entry in fields(Settings)})
    data_root = os.environ.get(DATA_VARIABLE)
    options = RunOptions(
        out=parsed.out,
        chain=parsed.chain,
        account_dir=parsed.account,
        deployment=parsed.deployment,
        data_root=Path(data_root) if data_root else None,
    )
    console = Console(stderr=True, quiet=parsed.json)
    report = train(settings, options, console)
    console.print(rounds_table(report))
    console.print(clients_table(report))
    console.print(timing_line(report))
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


def _account(parsed: argparse.Namespace) -> dict[str, Any]:
    from launch.commands.deploy import new_account  # noqa: PLC0415

    result = new_account(parsed.folder)
    _say(parsed, f"Account {result['account']} is in {parsed.folder}; keep both files, and send it money for gas.")
    return result


def _say(parsed: argparse.Namespace, sentence: str) -> None:
    if not parsed.json:
        print(sentence)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
