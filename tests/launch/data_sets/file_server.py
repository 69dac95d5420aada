"""A real HTTP server with one file, which can be as unreliable as servers are."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class FileServer:
    """How it answers, and what it was asked.

    Attributes:
        content: The file.
        ranges: Whether it knows them.
        cuts: One for each answer, as far as they go: break the connection after so many bytes; None gives all.
        status: Of every answer, in the place of 200 and 206.
        says_length: Whether answers have a Content-Length.
        first_byte: Where a part begins, whatever was asked for; None is honest.
        hangs_after: Say nothing more after so many bytes, until `let_go`; -1 before the first line.
        leads_to: Answer with a redirection.
        asked: The Range of each request, None where it had none.
        url: Set once it serves.
    """

    content: bytes
    ranges: bool = True
    cuts: Sequence[int | None] = ()
    status: int | None = None
    says_length: bool = True
    first_byte: int | None = None
    hangs_after: int | None = None
    leads_to: str = ""
    asked: list[str | None] = field(default_factory=list)
    url: str = ""
    let_go: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        number = len(self.asked)
        self.asked.append(wanted)
        if self.hangs_after == -1:
            self.let_go.wait()
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if start >= len(self.content) > 0 and start:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.end_headers()
            return
        if wanted and self.ranges and self.first_byte is not None:
            start = self.first_byte
        body = self.content[start:]
        handler.send_response(self.status or (302 if self.leads_to else 206 if wanted and self.ranges else 200))
        if self.leads_to:
            handler.send_header("Location", self.leads_to)
        if wanted and self.ranges:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.says_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        cut = self.cuts[number] if number < len(self.cuts) else self.hangs_after
        handler.wfile.write(body[:cut])
        handler.wfile.flush()
        if self.hangs_after is not None:
            self.let_go.wait()


@contextmanager
def serving(server: FileServer, certificate: tuple[Path, Path] | None = None) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a client that does not trust the certificate, or that has seen enough

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
        server.url = f"http{'s' if certificate else ''}://127.0.0.1:{listening.server_address[1]}/file"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            listening.shutdown()
            thread.join()
