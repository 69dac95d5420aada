"""The Flower app that coordinates: learns from the run config where its folder and its chain are, and runs.

What is the same for all runs of one SuperLink may stand in its environment instead, which its ServerApps inherit:
then `flwr run .` needs no run config at all.
"""

import os
from logging import INFO
from pathlib import Path

from flwr.app import Context
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp

from common.errors import WrongUse
from common.log_lines import configure_logs
from common.memory_limit import lift_memory_limit
from contracts.deployment import Deployment
from server.chain import ChainLedger
from server.coordinator import coordinate
from server.federation import DEPLOYMENT_FILE, load_federation, load_secrets
from server.only_run import only_run
from server.orphan_watch import end_with_parent
from server.submitted_run import choose_run_folder, keep_settings, settings_of_run

COORDINATOR_DIR, RUN_DIR, CHAIN_URL, TENSORBOARD = "coordinator-dir", "run-dir", "chain-url", "tensorboard"
COORDINATOR_VARIABLE, CHAIN_VARIABLE = "TFEDRS_COORDINATOR_DIR", "TFEDRS_CHAIN_URL"

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one federation to its end.

    Raises:
        WrongUse: before anything was written; `flwr log` and `flwr list` show the sentence.
    """
    configure_logs()
    end_with_parent()
    lift_memory_limit()  # the SuperLink's, which this process inherits
    coordinator_dir = Path(_told(context, COORDINATOR_DIR) or _from_environment(COORDINATOR_DIR, COORDINATOR_VARIABLE))
    chain_url = _told(context, CHAIN_URL) or _from_environment(CHAIN_URL, CHAIN_VARIABLE)
    tensorboard = context.run_config.get(TENSORBOARD, False)
    if not isinstance(tensorboard, bool):
        raise WrongUse(f"{TENSORBOARD} in the run config must be true or false, not {tensorboard!r}.")
    federation = load_federation(coordinator_dir)
    with only_run(coordinator_dir):
        folder = choose_run_folder(federation, _told(context, RUN_DIR))
        settings = settings_of_run(federation, folder, context.run_config, grid.run.override_config)
        account, committee_secret = load_secrets(coordinator_dir)
        ledger = ChainLedger(chain_url, Deployment.load(coordinator_dir / DEPLOYMENT_FILE), account.key)
        keep_settings(federation, folder, settings)
        log(INFO, "run folder: %s", folder)
        coordinate(grid, settings, federation, committee_secret, ledger, folder, tensorboard=tensorboard)


def _told(context: Context, key: str) -> str:
    value = context.run_config.get(key, "")
    if not isinstance(value, str):
        raise WrongUse(f"{key} in the run config must be text, not {value!r}.")
    return value


def _from_environment(key: str, variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise WrongUse(f"Set {key} in the run config, or {variable} for the SuperLink; `tfedrs run` does so by itself.")
    return value
