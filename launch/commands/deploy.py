"""`tfedrs deploy`: the contracts on a chain given by URL. `tfedrs account`: the account that pays for it."""

from pathlib import Path
from typing import Any

from common.account import KEYSTORE_FILE, load_account, random_account, save_account
from common.errors import WrongUse
from contracts.connection import read_chain_id
from contracts.deployment import WEI_PER_TOKEN
from contracts.deployment import deploy as deploy_contracts
from launch.federation_on_chain import MINIMUM_STAKE_WEI


def deploy(chain: str, account_dir: Path, out: Path, treasury_tokens: int, window_seconds: int) -> dict[str, Any]:
    """Deploy token, registry and ledger and write their addresses to `out`.

    Raises:
        WrongUse: `out` exists, or the account cannot be opened.
        EnvironmentFailure: the chain does not answer, or the account cannot pay.
    """
    if out.exists():
        raise WrongUse(f"{out} exists already; choose another file with --out.")
    account = load_account(account_dir)
    read_chain_id(chain)
    deployment = deploy_contracts(
        chain,
        account.key,
        challenge_window_seconds=window_seconds,
        treasury_wei=treasury_tokens * WEI_PER_TOKEN,
        minimum_stake_wei=MINIMUM_STAKE_WEI,
    )
    deployment.save(out)
    return {
        "chain_id": deployment.chain_id,
        "reward_token": deployment.reward_token,
        "participant_registry": deployment.participant_registry,
        "round_ledger": deployment.round_ledger,
        "file": str(out),
    }


def new_account(folder: Path) -> dict[str, Any]:
    """Make an account in `folder`.

    Raises:
        WrongUse: the folder holds one already.
    """
    if (folder / KEYSTORE_FILE).exists():
        raise WrongUse(f"{folder} holds an account already; choose another folder.")
    account = random_account()
    save_account(account, folder)
    return {"account": account.address, "folder": str(folder)}
