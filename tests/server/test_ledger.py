import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from common.account import development_account, random_account
from common.errors import EnvironmentFailure, WrongUse
from contracts.deployment import INITIAL_SUPPLY_WEI, Deployment, deploy
from launch import json_rpc
from launch.anvil import find_anvil
from launch.chain_choice import ChainEndpoint, fund_development_account, open_chain
from launch.processes import Supervisor, free_ports, wait_until
from server.chain import ChainLedger
from server.ledger import Ledger
from server.memory_ledger import MemoryLedger
from tests.server.ledger_suite import (
    MINIMUM_STAKE_WEI,
    TREASURY_WEI,
    WINDOW_SECONDS,
    LedgerSuite,
    RewardTree,
    WindowedLedger,
    open_some_run,
    refused,
    settle_some_round,
    some_hash,
    some_settlement,
)

COORDINATOR = development_account(0, 0)


@contextmanager
def funded_chain(kind: str, folder: Path) -> Iterator[ChainEndpoint]:
    with open_chain(kind, folder) as endpoint:
        fund_development_account(endpoint, COORDINATOR.address)
        yield endpoint


def deploy_on(endpoint: ChainEndpoint, window_seconds: int) -> Deployment:
    return deploy(
        endpoint.url,
        COORDINATOR.key,
        challenge_window_seconds=window_seconds,
        treasury_wei=TREASURY_WEI,
        minimum_stake_wei=MINIMUM_STAKE_WEI,
    )


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainEndpoint]:
    with funded_chain("embedded", tmp_path_factory.mktemp("embedded")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def embedded_deployment(embedded: ChainEndpoint) -> Deployment:
    return deploy_on(embedded, 0)


@pytest.fixture(scope="module")
def anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainEndpoint]:
    with funded_chain("anvil", tmp_path_factory.mktemp("anvil")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def anvil_deployment(anvil: ChainEndpoint) -> Deployment:
    return deploy_on(anvil, 0)


@pytest.fixture(scope="module")
def memory_ledger() -> Ledger:
    return MemoryLedger(TREASURY_WEI, INITIAL_SUPPLY_WEI - TREASURY_WEI, MINIMUM_STAKE_WEI)


class TestMemoryLedger(LedgerSuite):
    @pytest.fixture
    def ledger(self, memory_ledger: Ledger) -> Ledger:
        return memory_ledger

    @pytest.fixture
    def windowed(self) -> WindowedLedger:
        now = [1_700_000_000.0]

        def pass_seconds(seconds: int) -> None:
            now[0] += seconds

        return WindowedLedger(MemoryLedger(TREASURY_WEI, 0, 0, WINDOW_SECONDS, clock=lambda: now[0]), pass_seconds)


class ChainLedgerSuite(LedgerSuite):
    """The suite, and what only a chain has: gas, other chains, readers without a key."""

    @pytest.fixture
    def endpoint(self) -> ChainEndpoint:
        raise NotImplementedError

    @pytest.fixture
    def deployment(self) -> Deployment:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, endpoint: ChainEndpoint, deployment: Deployment) -> Ledger:
        return ChainLedger(endpoint.url, deployment, COORDINATOR.key)

    @pytest.fixture
    def windowed(self, endpoint: ChainEndpoint) -> WindowedLedger:
        def pass_seconds(seconds: int) -> None:
            json_rpc.request(endpoint.url, "evm_increaseTime", seconds)
            json_rpc.request(endpoint.url, "evm_mine")

        ledger = ChainLedger(endpoint.url, deploy_on(endpoint, WINDOW_SECONDS), COORDINATOR.key)
        return WindowedLedger(ledger, pass_seconds)

    def test_a_round_costs_at_most_250k_gas(self, ledger: Ledger) -> None:
        run_id = open_some_run(ledger)
        settle_some_round(ledger, run_id, 1, some_settlement(1))
        settle_some_round(ledger, run_id, 2, some_settlement(1))
        record = ledger.round_record(run_id, 2)
        assert record is not None
        assert 100_000 < record.gas_used <= 250_000

    def test_a_reader_without_a_key_sees_everything_and_writes_nothing(
        self, endpoint: ChainEndpoint, deployment: Deployment, ledger: Ledger
    ) -> None:
        run_id = open_some_run(ledger)
        settle_some_round(ledger, run_id, 1, some_settlement())
        reader = ChainLedger(endpoint.url, deployment)
        assert reader.round_record(run_id, 1) == ledger.round_record(run_id, 1)
        with pytest.raises(WrongUse, match="opened for reading"):
            reader.open_round(run_id, 2, some_hash())

    def test_another_chain_id_is_wrong_use(self, endpoint: ChainEndpoint, deployment: Deployment) -> None:
        with pytest.raises(WrongUse, match="has id 31337, but the contracts were deployed on chain 5"):
            ChainLedger(endpoint.url, replace(deployment, chain_id=5))

    def test_an_address_without_code_is_found_at_once(self, endpoint: ChainEndpoint, deployment: Deployment) -> None:
        with pytest.raises(EnvironmentFailure, match="no RoundLedger at"):
            ChainLedger(endpoint.url, replace(deployment, round_ledger=COORDINATOR.address))

    def test_an_account_without_the_role_is_refused(self, endpoint: ChainEndpoint, deployment: Deployment) -> None:
        stranger = random_account()
        fund_development_account(endpoint, stranger.address)
        with refused("AccessControlUnauthorizedAccount", account=stranger.address):
            open_some_run(ChainLedger(endpoint.url, deployment, stranger.key))

    def test_an_account_without_gas_money_fails_clearly(
        self, endpoint: ChainEndpoint, deployment: Deployment, ledger: Ledger
    ) -> None:
        pauper = random_account()
        tree = RewardTree([pauper.address], [5])
        sequence = settle_some_round(ledger, open_some_run(ledger), 1, some_settlement(5, tree.root))
        with pytest.raises(EnvironmentFailure, match="sender's funds"):
            tree.claim(ChainLedger(endpoint.url, deployment, pauper.key), sequence, 0)

    def test_a_deployment_survives_its_file(self, deployment: Deployment, tmp_path: Path) -> None:
        deployment.save(tmp_path / "deployment.json")
        assert Deployment.load(tmp_path / "deployment.json") == deployment


class TestEmbeddedChainLedger(ChainLedgerSuite):
    @pytest.fixture
    def endpoint(self, embedded: ChainEndpoint) -> ChainEndpoint:
        return embedded

    @pytest.fixture
    def deployment(self, embedded_deployment: Deployment) -> Deployment:
        return embedded_deployment


@pytest.mark.skipif(find_anvil() is None, reason="Anvil is not installed (npm ci, or TFEDRS_ANVIL)")
class TestAnvilLedger(ChainLedgerSuite):
    @pytest.fixture
    def endpoint(self, anvil: ChainEndpoint) -> ChainEndpoint:
        return anvil

    @pytest.fixture
    def deployment(self, anvil_deployment: Deployment) -> Deployment:
        return anvil_deployment

    def test_a_reorganisation_is_written_again(self, tmp_path: Path) -> None:
        with anvil_with_history(tmp_path) as endpoint:
            fund_development_account(endpoint, COORDINATOR.address)
            ledger = ChainLedger(endpoint.url, deploy_on(endpoint, 0), COORDINATOR.key)
            run_id, model_hash = open_some_run(ledger), some_hash()
            first = ledger.open_round(run_id, 1, model_hash)
            json_rpc.request(endpoint.url, "anvil_reorg", 1, [])
            assert ledger.round_record(run_id, 1) is None
            assert ledger.open_round(run_id, 1, model_hash).block_number > first.block_number
            record = ledger.round_record(run_id, 1)
            assert record is not None
            assert record.model_hash == model_hash


@contextmanager
def anvil_with_history(folder: Path) -> Iterator[ChainEndpoint]:
    """Anvil can undo blocks only while it keeps old states, which this project's Anvil does not."""
    program = find_anvil()
    assert program is not None
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with Supervisor() as supervisor:
        child = supervisor.start(
            "Anvil", [str(program), "--port", str(port)], environment=os.environ, folder=folder, log=folder / "log"
        )
        wait_until(lambda: json_rpc.answers(url), "Anvil", watched=[child], seconds=20)
        yield ChainEndpoint("anvil", url, 31337)
