"""`tfedrs deploy`: the contracts on a chain given by URL. `tfedrs account`: the account that pays for it."""

from pathlib import Path
from typing import Any

from common.account import KEYSTORE_FILE, load_account, random_account, save_account
from common.errors import WrongUse
from contracts.connection import read_chain_id
from contracts.deployment import INITIAL_SUPPLY_WEI, WEI_PER_TOKEN
from contracts.deployment import deploy as deploy_contracts
from launch.federation_on_chain import MINIMUM_STAKE_WEI
from launch.workspace import require_writable

_LONGEST_WINDOW_SECONDS = 365 * 24 * 3600


def deploy(chain: str, account_dir: Path, out: Path, treasury_tokens: int, window_seconds: int) -> dict[str, Any]:
    """Deploy token, registry and ledger and write their addresses to `out`.

    Raises:
        WrongUse: `out` exists or cannot be written, a number is out of its range, or the account cannot be opened.
        EnvironmentFailure: the chain does not answer, or the account cannot pay.
    """
    if out.exists():
        raise WrongUse(f"The file {out} exists already; choose another one with --out.")
    require_writable(out.absolute().parent)
    most_tokens = INITIAL_SUPPLY_WEI // WEI_PER_TOKEN
    for flag, value, most in (
        ("--treasury", treasury_tokens, most_tokens),
        ("--challenge-window", window_seconds, _LONGEST_WINDOW_SECONDS),
    ):
        if not 0 <= value <= most:
            raise WrongUse(f"{flag} must be from 0 to {most}, not {value}.")
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
        WrongUse: the folder holds one already, or cannot be written.
    """
    if (folder / KEYSTORE_FILE).exists():
        raise WrongUse(f"The folder {folder} holds an account already; choose another one.")
    require_writable(folder.absolute())
    account = random_account()
    save_account(account, folder)
    return {"account": account.address, "folder": str(folder)}
