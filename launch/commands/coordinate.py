"""`tfedrs coordinate`: the coordinator's machine of a provisioned federation, until a signal comes."""

import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from common.account import load_account
from common.errors import EnvironmentFailure, WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import external_url, kept_chain, open_chain
from launch.commands.hold import say_what_to_type
from launch.federation_plan import PLAN_FILE, load_plan
from launch.flower_cli import write_flower_home
from launch.metrics_server import serve_metrics
from launch.node_register import NodeRegister
from launch.processes import POLL_SECONDS
from launch.served_federation import PublicEnd, ServedFederation
from server.app import CHAIN_VARIABLE, COORDINATOR_VARIABLE
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE

_WHEN = "while the federation was up"
_LOOK_SECONDS = 10 * POLL_SECONDS


def coordinate(coordinator_dir: Path, chain: str, metrics_port: int | None, console: Console) -> NoReturn:
    """Start chain, SuperLink and proxy, let the admitted nodes in, say how to submit runs, and stay.

    Args:
        coordinator_dir: As `tfedrs provision` wrote it.
        chain: "auto" for the plan's chain, or another URL of the same chain.
        metrics_port: Where to serve metrics; None serves none.
        console: For people.

    Raises:
        WrongUse: the folder is not complete, or the chain is another one.
        EnvironmentFailure: nginx is missing, a port is taken, or a process failed; the sentence names its log.
        KeyboardInterrupt, SystemExit: the signal, once everything is stopped.
    """
    coordinator_dir = coordinator_dir.resolve()
    plan = load_plan(coordinator_dir / PLAN_FILE)
    home = coordinator_dir.parent
    tls = coordinator_dir / "tls"
    end = PublicEnd(plan.listen, plan.port, tls / "server.pem", tls / "server.key")
    deployment = Deployment.load(coordinator_dir / DEPLOYMENT_FILE)
    if chain == "auto" and not external_url(plan.chain) and kept_chain(home / "chain") is None:
        raise WrongUse(
            f"{home}/chain/ is missing or empty; the chain of this federation belongs there: copy it from the machine "
            "that provisioned, or restore a backup."
        )
    with open_chain(plan.chain if chain == "auto" else chain, home / "chain") as endpoint:
        if bool(external_url(plan.chain)) != (endpoint.kind == "external"):
            raise WrongUse(f"The federation was provisioned on {plan.chain}; leave --chain out.")
        deployment.check(endpoint.url)
        ledger = ChainLedger(endpoint.url, deployment, load_account(coordinator_dir).key)
        environment = {COORDINATOR_VARIABLE: str(coordinator_dir), CHAIN_VARIABLE: endpoint.url}
        with (
            ServedFederation(home / "served", end, environment) as federation,
            serve_metrics(home, metrics_port, lambda: len(federation.control.online_nodes())),
        ):
            register = NodeRegister(federation.control, ledger, coordinator_dir)
            _follow(register, console)
            flower_home = home / "served" / "flower" / "cli"
            write_flower_home(flower_home, federation.address, federation.authority)
            say_what_to_type(console, flower_home, home)
            while True:
                federation.raise_if_any_ended(_WHEN)
                for process in endpoint.processes:
                    process.raise_if_ended(_WHEN)
                _follow(register, console)
                time.sleep(_LOOK_SECONDS)


def _follow(register: NodeRegister, console: Console) -> None:
    """Bring the nodes up to date. What stands in the way is said, tried again, and ends nothing."""
    try:
        lines = register.follow()
    except (WrongUse, EnvironmentFailure) as error:
        lines = [f"The nodes could not be brought up to date: {error}"]
        time.sleep(_LOOK_SECONDS)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
