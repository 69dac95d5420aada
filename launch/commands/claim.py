"""`tfedrs claim`: a participant collects everything that it has earned."""

from pathlib import Path
from typing import Any

from common.account import load_account
from common.bounded_json import parse_json
from common.errors import CheckFailed, WrongUse
from common.merkle import merkle_proof, merkle_root
from contracts.deployment import WEI_PER_TOKEN, Deployment
from launch.chain_choice import ChainKind, fund_development_account, kept_chain, open_chain
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE
from server.settlement import reward_leaves
from server.submitted_run import federation_home


def claim(run: Path, account_dir: Path, chain: str, payer_dir: Path | None) -> dict[str, Any]:
    """Claim from the run's last settlement, to the account's own address.

    Args:
        run: The run folder, of which only the public evidence and the contracts' addresses are read.
        account_dir: The participant's folder.
        chain: "auto" starts the run's own chain again from its state; or a URL.
        payer_dir: Folder of another account that pays the gas; None: the participant pays. On the run's own chain
            the gas money is made out of nothing.

    Returns:
        account, claimed_wei, cumulative_wei, balance_wei, transaction, gas. Where everything was claimed before,
        the first is 0 and there is no transaction.

    Raises:
        WrongUse: the run has no settled round, or the account is not one of its participants.
        CheckFailed: the evidence does not give the reward root that the ledger holds.
        ContractRefusal: the challenge window is still open.
    """
    account = load_account(account_dir)
    payer = load_account(payer_dir) if payer_dir is not None else account
    evidence_path, evidence = _last_evidence(run)
    home = federation_home(run)
    deployment = _contracts(home)
    cohort = evidence["cohort"]
    if account.address not in cohort:
        raise WrongUse(f"Account {account.address} took no part in {run}; give its own --account and --run.")
    cumulative = {one["account"]: int(one["cumulative_wei"]) for one in evidence["judgements"]}
    leaves = reward_leaves(cohort, cumulative)
    with open_chain(_own_chain(home) if chain == "auto" else chain, home / "chain") as endpoint:
        ledger = ChainLedger(endpoint.url, deployment, payer.key)
        record = ledger.round_record(bytes.fromhex(evidence["run_id"]), evidence["round"])
        if record is None or record.settlement is None or record.sequence is None:
            raise CheckFailed(f"The ledger has not settled round {evidence['round']} of this run; wait, and try again.")
        if record.settlement.reward_root != merkle_root(leaves):
            raise CheckFailed(f"{evidence_path} does not give the reward root on the ledger; fetch it again.")
        index = cohort.index(account.address)
        total_wei = cumulative[account.address]
        # a later run of the same ledger may have been claimed from already
        claimable_wei = max(0, total_wei - ledger.claimed_wei(account.address))
        receipt = None
        if claimable_wei:
            if endpoint.development:
                fund_development_account(endpoint, payer.address)
            receipt = ledger.claim(record.sequence, index, account.address, total_wei, merkle_proof(leaves, index))
        return {
            "account": account.address,
            "claimed_wei": str(claimable_wei),
            "cumulative_wei": str(total_wei),
            "balance_wei": str(ledger.balance_wei(account.address)),
            "transaction": receipt and receipt.transaction_hash.hex(),
            "gas": receipt and receipt.gas_used,
        }


def describe(result: dict[str, Any]) -> str:
    """Return the outcome as a sentence."""
    claimed, balance = (int(result[key]) / WEI_PER_TOKEN for key in ("claimed_wei", "balance_wei"))
    if not claimed:
        return f"{result['account']} had nothing left to collect and holds {balance:,.4f} TFR."
    return f"{result['account']} collected {claimed:,.4f} TFR and now holds {balance:,.4f} TFR."


def _last_evidence(run: Path) -> tuple[Path, dict[str, Any]]:
    paths = sorted((run / "evidence").glob("round-*.json"))
    if not paths:
        raise WrongUse(f"There is no settled round in {run}; give the folder of a run with --run.")
    try:
        evidence: dict[str, Any] = parse_json(paths[-1].read_bytes())
    except (OSError, ValueError) as error:
        raise WrongUse(f"The evidence in {paths[-1]} cannot be read ({error}); fetch it again.") from error
    return paths[-1], evidence


def _contracts(run: Path) -> Deployment:
    path = run / "coordinator" / DEPLOYMENT_FILE
    if not path.exists():
        raise WrongUse(f"The ledger of {run} was kept in memory and is gone; claim from a run that used a chain.")
    return Deployment.load(path)


def _own_chain(run: Path) -> ChainKind:
    kind = kept_chain(run / "chain")
    if kind is None:
        raise WrongUse(f"The chain of {run} was not started by that run; name it with --chain URL.")
    return kind
