"""`tfedrs claim`: a participant collects everything that it has earned."""

import json
from pathlib import Path
from typing import Any

from common.account import load_account
from common.errors import CheckFailed, WrongUse
from common.merkle import merkle_proof, merkle_root
from contracts.deployment import WEI_PER_TOKEN, Deployment
from launch.chain_choice import open_chain
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE
from server.settlement import reward_leaves


def claim(run: Path, account_dir: Path, chain: str, payer_dir: Path | None) -> dict[str, Any]:
    """Claim from the run's last settlement, to the account's own address.

    Args:
        run: The run folder, of which only the public evidence and the contracts' addresses are read.
        account_dir: The participant's folder.
        chain: "auto" starts the run's own chain again from its state; or a URL.
        payer_dir: Folder of another account that pays the gas; None: the participant pays.

    Returns:
        account, claimed_wei, cumulative_wei, balance_wei, transaction, gas.

    Raises:
        WrongUse: the run has no settled round, or the account is not one of its participants.
        CheckFailed: the evidence does not give the reward root that the ledger holds.
        ContractRefusal: the challenge window is still open.
    """
    account = load_account(account_dir)
    payer = load_account(payer_dir) if payer_dir is not None else account
    evidence_paths = sorted((run / "evidence").glob("round-*.json"))
    if not evidence_paths:
        raise WrongUse(f"{run} has no settled round; give the folder of a run with --run.")
    evidence = json.loads(evidence_paths[-1].read_bytes())
    cohort = evidence["cohort"]
    if account.address not in cohort:
        raise WrongUse(f"Account {account.address} took no part in {run}; give its own --account and --run.")
    cumulative = {one["account"]: int(one["cumulative_wei"]) for one in evidence["judgements"]}
    leaves = reward_leaves(cohort, cumulative)
    with open_chain(chain, run / "chain") as endpoint:
        deployment = Deployment.load(run / "coordinator" / DEPLOYMENT_FILE)
        ledger = ChainLedger(endpoint.url, deployment, payer.key)
        record = ledger.round_record(bytes.fromhex(evidence["run_id"]), evidence["round"])
        if record is None or record.settlement is None or record.sequence is None:
            raise CheckFailed(f"The ledger has not settled round {evidence['round']} of this run; wait, and try again.")
        if record.settlement.reward_root != merkle_root(leaves):
            raise CheckFailed(f"{evidence_paths[-1]} does not give the reward root on the ledger; fetch it again.")
        before_wei = ledger.claimed_wei(account.address)
        index = cohort.index(account.address)
        total_wei = cumulative[account.address]
        receipt = ledger.claim(record.sequence, index, account.address, total_wei, merkle_proof(leaves, index))
        return {
            "account": account.address,
            "claimed_wei": str(total_wei - before_wei),
            "cumulative_wei": str(total_wei),
            "balance_wei": str(ledger.balance_wei(account.address)),
            "transaction": receipt.transaction_hash.hex(),
            "gas": receipt.gas_used,
        }


def describe(result: dict[str, Any]) -> str:
    """Return the outcome as a sentence."""
    claimed, balance = (int(result[key]) / WEI_PER_TOKEN for key in ("claimed_wei", "balance_wei"))
    return f"{result['account']} collected {claimed:,.4f} TFR and now holds {balance:,.4f} TFR."
