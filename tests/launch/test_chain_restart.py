"""A chain's state outlives its process, whichever way the process ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.account import development_account
from common.errors import EnvironmentFailure
from common.merkle import merkle_root, reward_leaf
from contracts.deployment import Deployment, deploy
from launch import json_rpc
from launch.anvil import find_anvil
from launch.chain_choice import ChainEndpoint, fund_development_account, open_chain
from launch.embedded_chain import LOG_FILE, PORT_FILE, start_embedded_chain
from launch.processes import Supervisor, wait_until
from server.chain import ChainLedger
from server.ledger import Ledger, Settlement

COORDINATOR = development_account(3, 0)
RUN, MODEL, ROOT, OTHER = (bytes([digit]) * 32 for digit in (1, 2, 3, 4))
KINDS = [
    "embedded",
    pytest.param(
        "anvil",
        marks=pytest.mark.skipif(find_anvil() is None, reason="Anvil is not installed (npm ci, or TFEDRS_ANVIL)"),
    ),
]


def deploy_on(url: str) -> Deployment:
    json_rpc.request(url, "anvil_setBalance", COORDINATOR.address, hex(10**21))
    return deploy(url, COORDINATOR.key, challenge_window_seconds=0, treasury_wei=1000, minimum_stake_wei=0)


def write_half_a_round(ledger: Ledger) -> None:
    ledger.open_run(RUN, OTHER, OTHER, OTHER, OTHER)
    ledger.open_round(RUN, 1, MODEL)
    ledger.commit_updates(RUN, 1, ROOT)


def block_hashes(url: str) -> list[str]:
    newest = int(json_rpc.request(url, "eth_blockNumber"), 16)
    return [json_rpc.request(url, "eth_getBlockByNumber", hex(n), False)["hash"] for n in range(newest + 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_restart_in_the_middle_of_a_round_keeps_everything(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    account = development_account(3, 1).address
    with open_chain(kind, tmp_path) as endpoint:
        deployment = deploy_on(endpoint.url)
        ledger = ChainLedger(endpoint.url, deployment, COORDINATOR.key)
        ledger.register_for([account], 0)
        write_half_a_round(ledger)
        before, hashes = ledger.round_record(RUN, 1), block_hashes(endpoint.url)
    with open_chain("auto", tmp_path) as endpoint:
        assert endpoint.kind == kind
        assert block_hashes(endpoint.url) == hashes
        ledger = ChainLedger(endpoint.url, deployment, COORDINATOR.key)
        assert ledger.round_record(RUN, 1) == before
        assert ledger.participants() == (account,)
        write_half_a_round(ledger)  # a resumed coordinator repeats what it is not sure of
        assert ledger.run_count() == 1
        root = merkle_root([reward_leaf(0, account, 600)])
        ledger.settle_round(RUN, 1, Settlement(OTHER, OTHER, root, OTHER, 600))
        ledger.claim(1, 0, account, 600, [])
        assert (ledger.balance_wei(account), ledger.treasury_wei()) == (600, 400)


@pytest.fixture
def embedded_url(tmp_path: Path) -> Iterator[tuple[Supervisor, str]]:
    with Supervisor() as supervisor:
        yield supervisor, start_embedded_chain(supervisor, tmp_path)


def test_a_killed_embedded_chain_forgets_nothing_it_acknowledged(
    embedded_url: tuple[Supervisor, str], tmp_path: Path
) -> None:
    supervisor, url = embedded_url
    deployment = deploy_on(url)
    write_half_a_round(ChainLedger(url, deployment, COORDINATOR.key))
    hashes = block_hashes(url)
    os.kill(supervisor.children[0].pid, signal.SIGKILL)
    url = start_embedded_chain(supervisor, tmp_path)
    assert block_hashes(url) == hashes
    record = ChainLedger(url, deployment, COORDINATOR.key).round_record(RUN, 1)
    assert record is not None
    assert record.commitment_root == ROOT


def test_a_dead_node_gives_one_clear_sentence(embedded_url: tuple[Supervisor, str]) -> None:
    supervisor, url = embedded_url
    ledger = ChainLedger(url, deploy_on(url), COORDINATOR.key)
    supervisor.stop()
    with pytest.raises(EnvironmentFailure, match=rf"^The chain at {url} does not answer; start its node"):
        ledger.open_run(RUN, OTHER, OTHER, OTHER, OTHER)
    with pytest.raises(EnvironmentFailure, match="does not answer"):
        ledger.run_count()


def test_an_embedded_chain_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-m', 'launch.embedded_chain', '--folder', sys.argv[1],\n"
        "                  '--parent-pid', str(os.getpid())], start_new_session=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE)
    wait_until((tmp_path / PORT_FILE).exists, "the embedded chain", watched=[], seconds=30)
    url = f"http://127.0.0.1:{(tmp_path / PORT_FILE).read_text()}"
    assert json_rpc.answers(url)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while json_rpc.answers(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_processes_cannot_share_a_journal(embedded_url: tuple[Supervisor, str], tmp_path: Path) -> None:
    supervisor, _ = embedded_url
    with pytest.raises(EnvironmentFailure, match="in use by another process"):
        start_embedded_chain(supervisor, tmp_path)
    assert "Traceback" not in (tmp_path / LOG_FILE).read_text()


def test_gas_money_comes_only_from_a_chain_started_here(embedded_url: tuple[Supervisor, str]) -> None:
    _, url = embedded_url
    account = development_account(3, 2).address
    fund_development_account(ChainEndpoint("embedded", url, 31337), account, 5)
    assert json_rpc.request(url, "eth_getBalance", account, "latest") == "0x5"
