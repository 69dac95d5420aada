"""A JSON-RPC node that answers as another does, but for one answer that it alters."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import requests

from tests.launch.http_servers import http_server

Alteration = Callable[[Any], Any]
"""From a result to the one that is given instead; results that are not meant come back as they are."""


class AlteringProxy:
    """Counts the answers to one method and alters one of them.

    Attributes:
        method: Whose answers are counted; "" counts them all.
        number: Which of them to alter, from 0.
        alter: How.
        altered: Whether it has come to that.
    """

    def __init__(self) -> None:
        self.let_pass()

    def let_pass(self) -> None:
        """Alter nothing from now on, and count from 0 again."""
        self.alter_answer("", -1, lambda result: result)

    def alter_answer(self, method: str, number: int, alter: Alteration) -> None:
        """Alter the answer of that number to the method."""
        self.method, self.number, self.alter = method, number, alter
        self.count = 0
        self.altered = False

    def answer(self, url: str, body: bytes) -> bytes:
        """Pass a request on and return the answer, altered or not."""
        response = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=20)
        if self.method in ("", json.loads(body)["method"]):
            self.count += 1
            if self.count == self.number + 1:
                answer = response.json()
                before = json.dumps(answer["result"])
                answer["result"] = self.alter(answer["result"])
                self.altered = json.dumps(answer["result"]) != before
                return json.dumps(answer).encode()
        return response.content


@contextmanager
def altering_proxy(url: str) -> Iterator[tuple[str, AlteringProxy]]:
    """Serve a proxy of the node at `url`; yield its own URL and what it does."""
    proxy = AlteringProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            answer = proxy.answer(url, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("Connection", "close")  # the server waits for its connections to end
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Write nothing."""

    with http_server(Handler) as proxy_url:
        yield proxy_url, proxy
