"""What happens on the chain before the first round: money for gas, contracts, registered clients, full treasury."""

from pathlib import Path

from common.account import SigningAccount, load_account
from common.config import Settings
from common.errors import WrongUse
from contracts.deployment import WEI_PER_TOKEN, Deployment, deploy
from launch.chain_choice import ChainEndpoint, fund_development_account
from launch.preparation import Accounts
from launch.run_options import RunOptions
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE

MINIMUM_STAKE_WEI = 100 * WEI_PER_TOKEN
CHALLENGE_WINDOW_SECONDS = 3600


def coordinator_account(endpoint: ChainEndpoint, options: RunOptions, accounts: Accounts) -> SigningAccount:
    """Return the account that pays: the development one on a chain that was started here, else the user's.

    Raises:
        WrongUse: a chain given by URL needs --account, and a chain started here must not see a real one.
    """
    if endpoint.development:
        if options.account_dir is not None:
            raise WrongUse("--account is for a chain given by URL; leave it out, a development account is used here.")
        return accounts.coordinator
    if options.account_dir is None:
        raise WrongUse(
            "A chain given by URL needs an account that pays for gas; make one with `tfedrs account DIR`, "
            "send it some, and add --account DIR."
        )
    return load_account(options.account_dir)


def open_ledger(
    endpoint: ChainEndpoint,
    settings: Settings,
    options: RunOptions,
    accounts: Accounts,
    coordinator_dir: Path,
) -> ChainLedger:
    """Deploy or find the contracts, fill the treasury for all rounds and register the clients."""
    coordinator = accounts.coordinator
    if endpoint.development:
        fund_development_account(endpoint, coordinator.address)
    needed_wei = settings.rounds * settings.reward_per_round * WEI_PER_TOKEN
    if options.deployment is not None:
        deployment = Deployment.load(options.deployment)
    else:
        deployment = deploy(
            endpoint.url,
            coordinator.key,
            challenge_window_seconds=0 if endpoint.development else CHALLENGE_WINDOW_SECONDS,
            treasury_wei=needed_wei,
            minimum_stake_wei=MINIMUM_STAKE_WEI,
        )
    deployment.save(coordinator_dir / DEPLOYMENT_FILE)
    ledger = ChainLedger(endpoint.url, deployment, coordinator.key)
    if (missing_wei := needed_wei - ledger.treasury_wei()) > 0:
        ledger.fund(missing_wei)
    ledger.register_for([account.address for account in accounts.clients], ledger.minimum_stake_wei())
    return ledger
