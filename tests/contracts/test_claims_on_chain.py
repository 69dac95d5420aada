"""Claims with proofs from trees of several shapes, on both development chains, through real transactions."""

import pytest
from eth_utils import to_bytes
from web3.logs import DISCARD

WORD = b"\x11" * 32
RUN_ID = b"\x22" * 32


@pytest.fixture
def treasury(w3, deploy):
    """A ledger with 1,000 tokens in its treasury, no challenge window, and an open run; with its token."""
    coordinator = w3.eth.accounts[0]
    sender = {"from": coordinator}
    token = deploy(w3, "RewardToken", coordinator, 10**24)
    ledger = deploy(w3, "RoundLedger", token.address, coordinator, coordinator, 0)
    token.functions.approve(ledger.address, 10**21).transact(sender)
    ledger.functions.fund(10**21).transact(sender)
    ledger.functions.openRun(RUN_ID, WORD, WORD, WORD, WORD).transact(sender)
    return token, ledger


def run_round(w3, ledger, server_round, reward_root, rewarded_wei):
    """Open, commit and settle.

    Returns:
        The sum of the gas that the three transactions used.
    """
    settlement = (WORD, WORD, reward_root, WORD, rewarded_wei)
    steps = [
        ledger.functions.openRound(RUN_ID, server_round, WORD),
        ledger.functions.commitUpdates(RUN_ID, server_round, WORD),
        ledger.functions.settleRound(RUN_ID, server_round, settlement),
    ]
    gas = 0
    for step in steps:
        receipt = w3.eth.wait_for_transaction_receipt(step.transact({"from": w3.eth.accounts[0]}))
        assert receipt["status"] == 1
        gas += receipt["gasUsed"]
    return gas


def test_every_account_claims_its_reward_with_its_proof(w3, treasury, vectors):
    token, ledger = treasury
    stranger = w3.eth.accounts[1]
    paid = {}
    for server_round, case in enumerate(vectors["merkle_root"], start=1):
        rewards, expected = case["inputs"]["rewards"], case["expected"]
        totals = {reward["account"]: int(reward["cumulativeWei"]) for reward in rewards}
        # An account's place, and so its total, differs from tree to tree; one that is not above its last gets nothing.
        due = {account: max(total - paid.get(account, 0), 0) for account, total in totals.items()}
        run_round(w3, ledger, server_round, to_bytes(hexstr=expected["root"]), sum(due.values()))
        for reward, proof in zip(rewards, expected["proofs"], strict=True):
            account, total = reward["account"], totals[reward["account"]]
            if due[account] == 0:
                continue
            claim = ledger.functions.claim(
                server_round, int(reward["index"]), account, total, [to_bytes(hexstr=node) for node in proof]
            )
            receipt = w3.eth.wait_for_transaction_receipt(claim.transact({"from": stranger}))
            (event,) = ledger.events.RewardClaimed().process_receipt(receipt, errors=DISCARD)
            assert dict(event["args"]) == {
                "account": account,
                "amountWei": due[account],
                "cumulativeWei": total,
            }
            paid[account] = total
            assert token.functions.balanceOf(account).call() == total
    assert ledger.functions.unclaimedWei().call() == 0
    assert token.functions.balanceOf(ledger.address).call() == ledger.functions.treasuryWei().call()


def test_round_costs_at_most_250000_gas(w3, treasury):
    _, ledger = treasury
    run_round(w3, ledger, 1, WORD, 10**18)

    assert run_round(w3, ledger, 2, WORD, 10**18) <= 250_000
