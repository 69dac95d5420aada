"""What happens on the chain before the first round: money for gas, contracts, registered clients, full treasury."""

from collections.abc import Sequence
from pathlib import Path

from common.account import SigningAccount
from common.config import Settings
from contracts.deployment import WEI_PER_TOKEN, Deployment, deploy
from launch.chain_choice import ChainEndpoint, fund_development_account
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, earned_before, rewards_beside

MINIMUM_STAKE_WEI = 100 * WEI_PER_TOKEN
CHALLENGE_WINDOW_SECONDS = 3600


def open_ledger(
    endpoint: ChainEndpoint,
    settings: Settings,
    coordinator: SigningAccount,
    clients: Sequence[SigningAccount],
    given_deployment: Path | None,
    coordinator_dir: Path,
) -> ChainLedger:
    """Deploy or find the contracts, fill the treasury for all rounds and register the clients.

    Args:
        endpoint: The chain.
        settings: Rounds and reward, for the treasury.
        coordinator: Pays for everything.
        clients: To be registered.
        given_deployment: The file of contracts to use; None deploys new ones.
        coordinator_dir: Gets the contracts' addresses, as soon as the contracts are known to be there.

    Raises:
        WrongUse: the given contracts are on another chain, or what they paid before is not known here.
        EnvironmentFailure: the chain does not answer, or the coordinator cannot pay.
    """
    if endpoint.development:
        fund_development_account(endpoint, coordinator.address)
    needed_wei = settings.rounds * settings.reward_per_round * WEI_PER_TOKEN
    if given_deployment is None:
        deployment = deploy(
            endpoint.url,
            coordinator.key,
            challenge_window_seconds=0 if endpoint.development else CHALLENGE_WINDOW_SECONDS,
            treasury_wei=needed_wei,
            minimum_stake_wei=MINIMUM_STAKE_WEI,
        )
        ledger = ChainLedger(endpoint.url, deployment, coordinator.key)
    else:
        deployment = Deployment.load(given_deployment)
        ledger = ChainLedger(endpoint.url, deployment, coordinator.key)
        earned_before(rewards_beside(given_deployment), ledger.latest_settlement())
        if (missing_wei := needed_wei - ledger.treasury_wei()) > 0:
            ledger.fund(missing_wei)
    deployment.save(coordinator_dir / DEPLOYMENT_FILE)
    ledger.register_for([account.address for account in clients], ledger.minimum_stake_wei())
    return ledger
