"""The chain: does it answer, is it the right one, are the contracts there, is there money for the rounds left."""

from datetime import UTC, datetime

from common.bounded_json import parse_json
from common.errors import TfedrsError
from contracts.deployment import WEI_PER_TOKEN, Deployment
from launch import json_rpc
from launch.chain_choice import kept_chain
from launch.doctor.finding import Findings, failed, ok, warning
from launch.doctor.network import CLOCK_WARNING_SECONDS, clock_finding
from launch.doctor.site import Site
from launch.run_state import account_of, read_run
from server.chain import ChainLedger

GAS_A_ROUND = 300_000
"""More than a round's transactions use, whatever the number of clients."""


def check_chain(site: Site) -> Findings:
    """Ask the chain; of one that runs are to start themselves, look for its state."""
    if not site.chain:
        yield from _check_own_chain(site)
        return
    try:
        newest = json_rpc.request(site.chain, "eth_getBlockByNumber", "latest", False)
        told = datetime.fromtimestamp(int(newest["timestamp"], 16), UTC)
        yield ok("chain", f"The chain at {site.chain} answers; its newest block is {int(newest['number'], 16):,}.")
        # A chain without traffic makes no blocks, so an old block says nothing about the clock.
        if (told - datetime.now(UTC)).total_seconds() > CLOCK_WARNING_SECONDS:
            yield from clock_finding("the chain's newest block", told)
        if site.deployment is not None:
            deployment = Deployment.load(site.deployment)
            deployment.check(site.chain)
            yield ok("contracts", f"The contracts are there; RoundLedger is {deployment.round_ledger}.")
            if site.coordinator is not None:
                yield from _check_money(site, deployment)
    except TfedrsError as error:
        yield failed("chain", str(error))
    except (KeyError, TypeError, ValueError) as error:
        yield failed("chain", f"What answers at {site.chain} is no chain ({error}); correct the URL.")


def _check_own_chain(site: Site) -> Findings:
    if site.coordinator is None:
        return
    kind = kept_chain(site.coordinator.parent / "chain")
    if kind is not None:
        yield ok("chain", f"The state of its own chain ({kind}) is in {site.coordinator.parent / 'chain'}.")
    elif site.plan is not None:
        chain = site.coordinator.parent / "chain"
        yield failed("chain", f"{chain} holds no state of a chain; restore it, the contracts are on it.")
    else:
        yield warning("chain", "The chain was not started by this run; name it with --chain URL to have it looked at.")


def _check_money(site: Site, deployment: Deployment) -> Findings:
    assert site.coordinator is not None  # noqa: S101  for the type checker
    rounds_left = _rounds_left(site)
    if site.settings is not None and rounds_left:
        needed_wei = rounds_left * site.settings.reward_per_round * WEI_PER_TOKEN
        treasury_wei = ChainLedger(site.chain, deployment).treasury_wei()
        text = f"The treasury holds {treasury_wei / WEI_PER_TOKEN:,.0f} TFR"
        if treasury_wei < needed_wei:
            needs = f"{rounds_left} rounds need {needed_wei / WEI_PER_TOKEN:,.0f}"
            yield warning("treasury", f"{text}, {needs}; the coordinator's account must hold the rest when they begin.")
        else:
            yield ok("treasury", f"{text}, enough for {rounds_left} rounds.")
    keystore = parse_json((site.coordinator / "account.json").read_bytes())
    account = account_of(str(keystore["address"]))
    balance_wei = int(json_rpc.request(site.chain, "eth_getBalance", account, "latest"), 16)
    price_wei = int(json_rpc.request(site.chain, "eth_gasPrice"), 16)
    needed_wei = max(rounds_left, 1) * GAS_A_ROUND * price_wei
    text = f"The coordinator's account {account} holds {balance_wei / 1e18:,.6f} of the chain's coin"
    if balance_wei < needed_wei:
        yield failed("gas money", f"{text}, {rounds_left} rounds may need {needed_wei / 1e18:,.6f}; send it some.")
    else:
        yield ok("gas money", f"{text}, enough for {rounds_left} rounds at today's price.")


def _rounds_left(site: Site) -> int:
    if site.settings is None:
        return 0
    settled = len(read_run(site.run).rows) if site.run is not None else 0
    left = site.settings.rounds - settled
    return left if left > 0 or site.plan is None else site.plan.settings.rounds  # the next run of the same plan
