"""Chains to deploy on, and the committed test vectors."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import EthereumTesterProvider, HTTPProvider, Web3
from web3.contract import Contract

from contracts.artifacts import load_artifact

REPOSITORY = Path(__file__).parents[2]
ANVIL = shutil.which("anvil", path=str(REPOSITORY / "node_modules/.bin")) or shutil.which("anvil")

Deploy = Callable[..., Contract]


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return json.loads((REPOSITORY / "tests/vectors/protocol.json").read_text(encoding="utf-8"))


@pytest.fixture
def embedded() -> Web3:
    return Web3(EthereumTesterProvider())


@pytest.fixture
def anvil() -> Iterator[Web3]:
    if ANVIL is None:
        pytest.skip("anvil is not installed: `npm ci` brings it where npm is found")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    node = subprocess.Popen([ANVIL, "--quiet", "--prune-history", "--port", str(port)])
    provider = HTTPProvider(f"http://127.0.0.1:{port}")
    w3 = Web3(provider)
    try:
        deadline = time.monotonic() + 20
        while not w3.is_connected():
            assert node.poll() is None and time.monotonic() < deadline, "anvil did not start"
            time.sleep(0.02)
        yield w3
    finally:
        node.terminate()
        node.wait(timeout=10)


@pytest.fixture(params=["embedded", "anvil"])
def w3(request: pytest.FixtureRequest) -> Web3:
    """The same test on both chains."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def deploy() -> Callable[..., Contract]:
    """Deploy a contract from its committed artifact: `deploy(w3, name, *constructor_arguments)`."""

    def deploy_from_artifact(w3: Web3, name: str, *arguments: object) -> Contract:
        artifact = load_artifact(name)
        sender = w3.eth.accounts[0]
        factory = w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        transaction = factory.constructor(*arguments).transact({"from": sender})
        receipt = w3.eth.wait_for_transaction_receipt(transaction)
        assert receipt["status"] == 1
        return w3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    return deploy_from_artifact
