"""The embedded chain as a process of its own: JSON-RPC over HTTP on 127.0.0.1, journalled.

    python -m launch.embedded_chain --folder DIR [--port 0] [--parent-pid PID]

It writes its port to DIR/embedded.port once it answers, and ends when the process that started it does.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common.atomic_file import write_atomically
from common.errors import EnvironmentFailure, TfedrsError
from launch.chain_journal import ChainJournal
from launch.embedded_rpc import EmbeddedNode
from launch.evm_records import CHAIN_ID
from launch.processes import LOOPBACK, Supervisor, wait_until

JOURNAL_FILE = "journal.jsonl"
PORT_FILE = "embedded.port"
LOG_FILE = "embedded.log"
MAX_BODY_BYTES = 4 * 1024 * 1024

# Imports take a second or two on a slow machine, and a long journal is replayed at some 100 blocks a second.
START_SECONDS = 120.0
_PARENT_POLL_SECONDS = 0.25


def start_embedded_chain(supervisor: Supervisor, folder: Path) -> str:
    """Start the process with the journal that the folder holds, and wait until it answers.

    Returns:
        The chain's URL.

    Raises:
        EnvironmentFailure: it does not come up, for instance because the journal does not replay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / PORT_FILE
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "launch.embedded_chain", "--folder", str(folder.resolve())]
    child = supervisor.start(
        "embedded chain",
        [*command, "--parent-pid", str(os.getpid())],
        environment=os.environ,
        folder=Path(__file__).resolve().parent.parent,
        log=folder / LOG_FILE,
    )
    wait_until(port_file.exists, "the embedded chain", watched=[child], seconds=START_SECONDS)
    return f"http://{LOOPBACK}:{int(port_file.read_text())}"


class _Server(ThreadingHTTPServer):
    """One thread for each connection, since clients keep theirs open; one request at a time reaches the chain."""

    daemon_threads = True

    def __init__(self, port: int, node: EmbeddedNode) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self.journal_failure: OSError | None = None
        self._node = node
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> object:
        """Answer a request or a batch of them."""
        with self._lock:
            try:
                return self._node.answer_body(body)
            except OSError as error:
                # The newest block is not on the disk: stop rather than acknowledge what a restart would forget.
                self.journal_failure = error
                self.stop()
                raise

    def stop(self) -> None:
        """Let `serve_forever` return; callable from any thread."""
        threading.Thread(target=self.shutdown, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600
    wbufsize = -1  # headers and body in one packet: two small ones would wait for each other's acknowledgement
    server: _Server

    def do_POST(self) -> None:
        """Answer one HTTP request."""
        length = self.headers.get("Content-Length", "")
        # A web page may post plain text to any local port, but JSON only with the permission nobody gives it here.
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > MAX_BODY_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            answer = json.dumps(self.server.answer(self.rfile.read(int(length)))).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # what follows is the unread body
        self.send_error(status)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing: the journal tells what happened."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the parent's end; return the exit code."""
    parser = argparse.ArgumentParser(prog="launch.embedded_chain", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="holds journal and port file")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--parent-pid", type=int, help="end when this is no longer the parent's process id")
    options = parser.parse_args(arguments)
    try:
        _serve(options.folder, options.port, options.parent_pid)
    except TfedrsError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


def _serve(folder: Path, port: int, parent_pid: int | None) -> None:
    journal = ChainJournal.open(folder / JOURNAL_FILE, CHAIN_ID, int(time.time()))
    try:
        node = EmbeddedNode(journal)
        try:
            server = _Server(port, node)
        except OSError as error:
            raise EnvironmentFailure(
                f"port {port} of {LOOPBACK} cannot be used ({error.strerror}): stop what uses it or choose another"
            ) from error
        with server:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: server.stop())
            if parent_pid is not None:
                threading.Thread(target=_stop_without_parent, args=(server, parent_pid), daemon=True).start()
            write_atomically(folder / PORT_FILE, str(server.server_address[1]).encode())
            server.serve_forever(poll_interval=0.05)
        if server.journal_failure is not None:
            raise EnvironmentFailure(
                f"the journal {journal.path} cannot be written ({server.journal_failure}): make room on the disk"
            )
    finally:
        journal.close()


def _stop_without_parent(server: _Server, parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_PARENT_POLL_SECONDS)
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
