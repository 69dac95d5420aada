from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, WrongUse
from launch import anvil
from launch.chain_choice import ChainEndpoint, fund_development_account, open_chain
from launch.processes import free_ports
from tests.launch.http_servers import http_server


class WebPage(BaseHTTPRequestHandler):
    """Something that answers, but is no chain."""

    answer = b""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


@pytest.fixture
def no_anvil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    monkeypatch.setattr(anvil, "find_anvil", lambda: None)


def test_auto_takes_the_embedded_chain_where_there_is_no_anvil(no_anvil: None, tmp_path: Path) -> None:
    with open_chain("auto", tmp_path) as endpoint:
        assert (endpoint.kind, endpoint.chain_id, endpoint.development) == ("embedded", 31337, True)


@pytest.mark.skipif(anvil.find_anvil() is None, reason="Anvil is not installed (npm ci, or TFEDRS_ANVIL)")
def test_auto_takes_anvil_where_it_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TFEDRS_CHAIN_URL", raising=False)
    with open_chain("auto", tmp_path) as endpoint:
        assert (endpoint.kind, endpoint.chain_id, endpoint.development) == ("anvil", 31337, True)


def test_auto_takes_the_url_of_the_environment_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open_chain("embedded", tmp_path) as started:
        monkeypatch.setenv("TFEDRS_CHAIN_URL", started.url)
        with open_chain("auto", tmp_path / "other") as endpoint:
            assert endpoint == ChainEndpoint("external", started.url, 31337)
            assert not endpoint.development
        assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("choice", ["ganache", "ftp://127.0.0.1:1", "http://", "http://127.0.0.1:99999", "://"])
def test_what_is_no_chain_is_wrong_use(choice: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUse), open_chain(choice, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_url_without_a_node_fails_in_one_sentence(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(EnvironmentFailure, match=f"^The chain at {url} does not answer; "), open_chain(url, tmp_path):
        pass


@pytest.mark.parametrize("answer", [b"hello!", b"", b"[]", b"5", b"{}", b'{"result": "many"}', b'{"id": 1}', b"\xff"])
def test_a_url_of_something_else_fails_in_one_sentence(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(WebPage, "answer", answer)
    with (
        http_server(WebPage) as url,
        pytest.raises(EnvironmentFailure, match=url),
        open_chain(url, tmp_path),
    ):
        pass


def test_a_missing_anvil_is_told(no_anvil: None, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="needs Anvil, which is not here"), open_chain("anvil", tmp_path):
        pass


def test_a_wrong_anvil_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFEDRS_ANVIL", "/no/such/anvil")
    with pytest.raises(WrongUse, match="TFEDRS_ANVIL is /no/such/anvil"):
        anvil.find_anvil()


def test_an_external_chain_gives_no_money_away() -> None:
    with pytest.raises(WrongUse, match="gives no money away"):
        fund_development_account(ChainEndpoint("external", "http://127.0.0.1:1", 1), "0x" + "11" * 20)
