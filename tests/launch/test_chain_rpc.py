"""The embedded chain as a JSON-RPC server: what web3.py needs of it, and what it refuses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from common.account import development_account
from contracts.chain_errors import ChainErrors
from contracts.connection import connect
from contracts.sender import Sender
from launch import json_rpc
from launch.chain_choice import ChainEndpoint, open_chain
from launch.embedded_chain import MAX_BODY_BYTES
from tests.launch.http_servers import http_server

ACCOUNT = development_account(2, 0)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainEndpoint]:
    with open_chain("embedded", tmp_path_factory.mktemp("chain")) as endpoint:
        json_rpc.request(endpoint.url, "anvil_setBalance", ACCOUNT.address, hex(10**21))
        yield endpoint


def post(url: str, body: bytes, content_type: str = "application/json") -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": content_type}, timeout=10)


def test_a_batch_is_answered_in_order(endpoint: ChainEndpoint) -> None:
    batch: list[dict[str, object]] = [
        {"jsonrpc": "2.0", "id": i, "method": "eth_chainId", "params": []} for i in (7, 8)
    ]
    answers = requests.post(endpoint.url, json=batch, timeout=10).json()
    assert [(each["id"], each["result"]) for each in answers] == [(7, "0x7a69"), (8, "0x7a69")]


def test_web3_reads_blocks_fees_and_transactions(endpoint: ChainEndpoint) -> None:
    web3 = connect(endpoint.url)
    sender = Sender(web3, ChainErrors(endpoint.url), ACCOUNT.key)
    receipt = sender.send("a transfer to oneself", ACCOUNT.address, b"")
    block = web3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    transaction = web3.eth.get_transaction(receipt["transactionHash"])
    assert block["transactions"] == [transaction]
    assert (transaction["from"], transaction["to"]) == (ACCOUNT.address, ACCOUNT.address)
    assert web3.eth.get_block(block["hash"])["number"] == receipt["blockNumber"]
    assert block["parentHash"] == web3.eth.get_block(receipt["blockNumber"] - 1)["hash"]
    history = web3.eth.fee_history(2, "latest", [50.0])
    assert len(history["baseFeePerGas"]) == 3
    assert len(history["reward"]) == 2
    assert web3.eth.gas_price > block["baseFeePerGas"]
    assert web3.eth.get_storage_at(web3.to_checksum_address(ACCOUNT.address), 0) == bytes(32)
    assert web3.is_connected()


def test_a_transaction_is_mined_once_when_answers_are_lost(endpoint: ChainEndpoint) -> None:
    """A proxy swallows the first two answers to eth_sendRawTransaction, and once the request itself."""
    losses = iter(["answer", "request", "answer"])

    class LossyProxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            loss = next(losses, None) if b"eth_sendRawTransaction" in body else None
            if loss == "request":
                return
            answer = post(endpoint.url, body).content
            if loss is None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Write nothing."""

    nonce = connect(endpoint.url).eth.get_transaction_count(connect(endpoint.url).to_checksum_address(ACCOUNT.address))
    with http_server(LossyProxy) as url:
        sender = Sender(connect(url), ChainErrors(url), ACCOUNT.key)
        for sent in (1, 2):
            assert sender.send("a transfer to oneself", ACCOUNT.address, b"")["status"] == 1
            after = int(json_rpc.request(endpoint.url, "eth_getTransactionCount", ACCOUNT.address, "latest"), 16)
            assert after == nonce + sent


def test_two_senders_with_one_key_do_not_lose_each_others_transactions(endpoint: ChainEndpoint) -> None:
    web3 = connect(endpoint.url)
    before = web3.eth.get_transaction_count(web3.to_checksum_address(ACCOUNT.address))

    def send_five(name: bytes) -> None:
        sender = Sender(connect(endpoint.url), ChainErrors(endpoint.url), ACCOUNT.key)
        for _ in range(5):
            sender.send("a transfer to oneself", ACCOUNT.address, name)

    other = threading.Thread(target=send_five, args=(b"other",))
    other.start()
    send_five(b"this")
    other.join()
    assert web3.eth.get_transaction_count(web3.to_checksum_address(ACCOUNT.address)) == before + 10


def test_bodies_that_are_no_requests_are_refused(endpoint: ChainEndpoint) -> None:
    assert post(endpoint.url, b"{}", "text/plain").status_code == 415
    assert post(endpoint.url, b" " * (MAX_BODY_BYTES + 1)).status_code == 413
    assert requests.get(endpoint.url, timeout=10).status_code == 501
    assert post(endpoint.url, b"{nonsense").json()["error"]["code"] == -32700
    assert post(endpoint.url, b'"text"').json()["error"]["code"] == -32600
    assert post(endpoint.url, b'{"method": "eth_mystery"}').json()["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["no address"]),
        ("eth_getBalance", [ACCOUNT.address, "0xffff"]),
        ("eth_getBlockByNumber", [5, 5, 5]),
        ("eth_call", [[]]),
        ("eth_call", [{"to": "0x12"}]),
        ("eth_sendRawTransaction", ["0x"]),
        ("eth_sendRawTransaction", ["zz"]),
        ("eth_getLogs", [{"fromBlock": "soon"}]),
        ("anvil_setBalance", [ACCOUNT.address, "-0x1"]),
    ],
)
def test_malformed_parameters_get_an_error_and_change_nothing(
    endpoint: ChainEndpoint, method: str, parameters: list[object]
) -> None:
    before = json_rpc.request(endpoint.url, "eth_blockNumber")
    answer = requests.post(endpoint.url, json={"id": 1, "method": method, "params": parameters}, timeout=10).json()
    assert answer["error"]["code"] in (-32000, -32602)
    assert json_rpc.request(endpoint.url, "eth_blockNumber") == before


@given(raw=st.binary(max_size=100))
def test_bytes_that_are_no_transaction_never_stop_the_chain(endpoint: ChainEndpoint, raw: bytes) -> None:
    request = {"id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
    assert "error" in requests.post(endpoint.url, json=request, timeout=10).json()
