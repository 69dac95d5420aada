"""`tfedrs run --hold`: a federation that waits for runs, which Flower's own command line submits."""

import shlex
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from common.config import Settings
from common.errors import WrongUse
from launch.commands.run import ready_run
from launch.flower_cli import CONNECTION, write_flower_home
from launch.flower_environment import flower_program
from launch.local_federation import TICK_SECONDS, LocalFederation
from launch.metrics_server import serve_metrics
from launch.progress import say_what_starts
from launch.run_options import RunOptions
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_VARIABLE, COORDINATOR_VARIABLE

_WHEN = "while the federation was up"


def hold(settings: Settings, options: RunOptions, console: Console) -> NoReturn:
    """Start a chain, a SuperLink and the SuperNodes, say how to submit runs, and stay until a signal comes.

    Raises:
        WrongUse: before anything was started.
        EnvironmentFailure: a process failed; the sentence names its log.
        KeyboardInterrupt, SystemExit: the signal, once everything is stopped.
    """
    if options.tensorboard:
        raise WrongUse('--tensorboard belongs to a run; leave it out here and add -c "tensorboard=true" to `flwr run`.')
    with ready_run(settings, options) as ready:
        say_what_starts(console, ready)
        environment = {COORDINATOR_VARIABLE: str(ready.federation.folder), CHAIN_VARIABLE: ready.chain_url}
        with (
            LocalFederation(
                PROJECT_ROOT, ready.folder, ready.client_dirs, environment=environment, device=options.device
            ) as federation,
            serve_metrics(ready.folder, options.metrics_port, federation.online),
        ):
            home = ready.folder / "flower" / "cli"
            write_flower_home(home, federation.address, federation.authority)
            say_what_to_type(console, home, ready.folder)
            while True:
                federation.raise_if_any_ended(_WHEN)
                for process in ready.chain_processes:
                    process.raise_if_ended(_WHEN)
                time.sleep(TICK_SECONDS)


def say_what_to_type(console: Console, home: Path, folder: Path) -> None:
    """Say how runs are submitted.

    Args:
        console: For people.
        home: The FLWR_HOME with the connection.
        folder: Holds `runs/`.
    """
    flwr, app = _shown(Path(flower_program("flwr"))), _shown(PROJECT_ROOT)
    lines = (
        "The federation is up and waits. In another terminal, in this folder:",
        "",
        f"  export FLWR_HOME={_shown(home)}",
        f"  {flwr} run {app} {CONNECTION} --stream",
        f'  {flwr} run {app} {CONNECTION} --stream -c "rounds=3 factors=32"',
        f"  {flwr} list {CONNECTION}",
        f"  {flwr} log RUN_ID {CONNECTION} --show",
        "",
        f"Each run gets a folder of its own below {_shown(folder / 'runs')}. Ctrl-C stops everything.",
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
