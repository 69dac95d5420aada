"""The flags of the command line. Nothing heavy is imported, so that --help answers at once."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import NoReturn, TypeAlias

from common.config import Settings, flag_of
from common.errors import WrongUse
from launch.data_arguments import DATA_EXAMPLES, add_data_commands
from launch.machine_arguments import add_device, add_machine_commands, add_metrics_port
from launch.operations_arguments import add_operations_commands

_TRAINING_EXAMPLES = """\
  # five clients, five rounds, the bundled MovieLens data
  tfedrs {command}

  tfedrs {command} --clients 10 --rounds 8 --partition taste
  tfedrs {command} --dataset csv:ratings.csv \\
      --csv-columns user=userId,item=movieId,timestamp=time
  tfedrs {command} --chain embedded --json > report.json"""

_RUN_EXAMPLES = """
  tfedrs run --resume runs/latest

  # everything but the run, which `flwr run . local` then submits
  tfedrs run --hold --clients 3"""

_DEPLOY_EXAMPLES = """\
  tfedrs account keys/operator
  tfedrs deploy --chain http://127.0.0.1:8545 --account keys/operator \\
      --out deployment.json"""

_CLAIM_EXAMPLES = """\
  tfedrs claim --run runs/latest \\
      --account runs/latest/participants/client-01"""

_VERIFY_EXAMPLES = """\
  tfedrs verify runs/latest
  tfedrs verify runs/latest --public-only --json
  tfedrs verify run-of-others --chain https://rpc.example.org"""

_METAVARS = {int: "N", float: "X", str: "TEXT"}

_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake costs one sentence instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Raise WrongUse instead of leaving the program."""
        raise WrongUse(f"{message}; see `{self.prog} --help`.")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; the result has `command`, `json` and the command's own values."""
    top = Parser(
        prog="tfedrs",
        description="A federated recommender with earned reputation and a public ledger.",
        epilog="example:\n  tfedrs run\n\nEach command has its own --help with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    _add_training(commands, "run", "a real local federation: chain, SuperLink, SuperNodes, rounds, report")
    _add_training(commands, "simulate", "the same settings in one process")
    _add_deploy(commands)
    _add_verify(commands)
    _add_claim(commands)
    account = _add(commands, "account", "make an account: keystore and passphrase", "  tfedrs account keys/me")
    account.add_argument("folder", type=Path, metavar="DIR", help="where to write account.json and account.pass")

    def add(name: str, help_text: str, examples: str) -> argparse.ArgumentParser:
        return _add(commands, name, help_text, examples)

    _add_experiment(commands)
    _add_data(commands)
    add_machine_commands(add)
    add_operations_commands(add)
    return top


def _add(commands: _Commands, name: str, help_text: str, examples: str) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[:1].upper()}{help_text[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
    return added


def _add_experiment(commands: _Commands) -> None:
    help_text = "a table or figure of the papers"
    added = commands.add_parser(
        "experiment",
        help=help_text,
        description=f"{help_text[:1].upper()}{help_text[1:]}; without NAME, the list of them.",
        epilog="examples:\n  tfedrs experiment\n  tfedrs experiment participation --seeds 1\n"
        "  tfedrs experiment accuracy --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    added.add_argument("name", nargs="?", metavar="NAME", help="which one")
    added.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its own arguments")
    added.set_defaults(json=False)


def _add_data(commands: _Commands) -> None:
    added = commands.add_parser(
        "data",
        help="data sets by name: which there are, their official download, what is in them",
        description="Data sets by name: which there are, their official download, what is in them.",
        epilog=f"examples:\n{DATA_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    within = added.add_subparsers(title="commands", metavar="COMMAND", dest="data_command", required=True)
    add_data_commands(lambda name, help_text, examples: _add(within, name, help_text, examples))


def _add_training(commands: _Commands, name: str, help_text: str) -> None:
    added = _add(
        commands,
        name,
        help_text,
        _TRAINING_EXAMPLES.format(command=name) + (_RUN_EXAMPLES if name == "run" else ""),
    )
    where = added.add_argument_group("where")
    chains = "auto, anvil, embedded" + (", memory" if name == "simulate" else "") + " or a URL (auto)"
    where.add_argument("--chain", default="auto", metavar="CHAIN", help=chains)
    where.add_argument("--out", type=Path, metavar="DIR", help="the run folder (runs/<time>, and runs/latest)")
    where.add_argument("--account", type=Path, metavar="DIR", help="with a chain by URL: the account that pays")
    where.add_argument(
        "--deployment",
        type=Path,
        metavar="FILE",
        help="with a chain by URL: the contracts to use (new ones); what they paid is kept beside FILE",
    )
    add_device(where)
    where.add_argument("--tensorboard", action="store_true", help="write TensorBoard event files into the run folder")
    if name == "simulate":
        help_text = "fit the users of all clients of a round together: faster, the same to 1e-6 but not to the byte"
        where.add_argument("--batch", action="store_true", help=help_text)
    if name == "run":
        where.add_argument("--hold", action="store_true", help="start everything, and wait for runs of `flwr run`")
        add_metrics_port(where)
        where.add_argument("--resume", type=Path, metavar="DIR", help="go on with an interrupted run, as it was set")
    add_settings(added)


def add_settings(added: argparse.ArgumentParser, *, only_told: bool = False) -> None:
    """Add a flag for every field of `Settings`.

    Args:
        added: The parser of a command.
        only_told: The result has only what was given on the command line; else the defaults too.
    """
    settings = added.add_argument_group("settings")
    for entry in fields(Settings):
        shown = f" ({entry.default})" if entry.default not in ("", False) else ""
        text = f"{entry.metadata['description']}{shown}".replace("%", "%%")
        flag = f"--{flag_of(entry.name)}"
        default = argparse.SUPPRESS if only_told else entry.default
        if isinstance(entry.default, bool):
            settings.add_argument(flag, action="store_true", default=default, help=text)
        else:
            kind = type(entry.default)
            settings.add_argument(flag, type=kind, default=default, metavar=_METAVARS[kind], help=text)


def _add_deploy(commands: _Commands) -> None:
    added = _add(commands, "deploy", "the contracts on a chain given by URL", _DEPLOY_EXAMPLES)
    added.add_argument("--chain", required=True, metavar="URL", help="JSON-RPC address of the chain")
    added.add_argument("--account", required=True, type=Path, metavar="DIR", help="account that pays and administers")
    added.add_argument("--out", default=Path("deployment.json"), type=Path, metavar="FILE", help="(%(default)s)")
    added.add_argument("--treasury", default=0, type=int, metavar="TOKENS", help="tokens for rewards (%(default)s)")
    added.add_argument(
        "--challenge-window", default=3600, type=int, metavar="SECONDS", help="from settlement to claim (%(default)s)"
    )


def _add_claim(commands: _Commands) -> None:
    added = _add(commands, "claim", "a participant collects its reward", _CLAIM_EXAMPLES)
    added.add_argument(
        "--run", dest="run_dir", default=Path("runs/latest"), type=Path, metavar="DIR", help="(%(default)s)"
    )
    added.add_argument("--account", required=True, type=Path, metavar="DIR", help="the participant's folder")
    added.add_argument("--chain", default="auto", metavar="URL", help="auto starts the run's own chain again")
    added.add_argument("--payer", type=Path, metavar="DIR", help="another account that pays the gas")


def _add_verify(commands: _Commands) -> None:
    added = _add(commands, "verify", "recompute every round of a run from its evidence and the chain", _VERIFY_EXAMPLES)
    added.add_argument("run_dir", type=Path, metavar="RUN", help="the run folder, which stays as it is")
    added.add_argument("--chain", default="auto", metavar="URL", help="auto starts the run's own chain from a copy")
    added.add_argument(
        "--public-only", action="store_true", help="only what needs no update: no scores, gates and models"
    )
