"""The Flower app that coordinates: reads its folder and the chain's address from the run config, and runs."""

from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from common.config import Settings
from common.errors import WrongUse
from contracts.deployment import Deployment
from server.chain import ChainLedger
from server.coordinator import coordinate
from server.federation import DEPLOYMENT_FILE, load_federation, load_secrets

COORDINATOR_DIR, RUN_DIR, CHAIN_URL, TENSORBOARD = "coordinator-dir", "run-dir", "chain-url", "tensorboard"

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one federation to its end."""
    tensorboard = context.run_config.get(TENSORBOARD, False)
    if not isinstance(tensorboard, bool):
        raise WrongUse(f"{TENSORBOARD} in the run config must be true or false, not {tensorboard!r}.")
    coordinator_dir = _folder(context, COORDINATOR_DIR)
    account, committee_secret = load_secrets(coordinator_dir)
    deployment = Deployment.load(coordinator_dir / DEPLOYMENT_FILE)
    ledger = ChainLedger(str(context.run_config[CHAIN_URL]), deployment, account.key)
    settings = Settings.from_run_config(context.run_config)
    federation = load_federation(coordinator_dir)
    run_dir = _folder(context, RUN_DIR)
    coordinate(grid, settings, federation, committee_secret, ledger, run_dir, tensorboard=tensorboard)


def _folder(context: Context, key: str) -> Path:
    value = context.run_config.get(key)
    if not isinstance(value, str) or not value:
        raise WrongUse(f"Set {key} in the run config to a folder; `tfedrs run` does so by itself.")
    return Path(value)
