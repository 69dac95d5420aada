"""A real federation behind its proxy, whose runs go on while somebody attacks it: everybody takes part to the end."""

import gzip
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.data.array_file import load_arrays
from common.errors import EnvironmentFailure, WrongUse
from launch.fleet_proxy import nginx_program
from launch.join_request import read_request
from tests.faults.attacked_federation import (
    Attacked,
    Measured,
    attacked_federation,
    check_everybody_took_part,
    wait,
)
from tests.faults.hostile_network import (
    Seen,
    endless_bodies,
    many_connections,
    slow_lorises,
    wait_for_threads,
)
from tests.peak_memory import peak_bytes

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)

MOST_MIB = {"nginx": 640, "flower-superlink": 600, "coordinator": 700}
"""Resident memory of each process at any moment of an attack. 4,000 half-open TLS handshakes take nginx some 260 MiB,
and it has sockets for twice as many; SuperLink and coordinator take some 180 and 160, attack or none."""
MOST_PROXY_DISK_MIB = 256


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with attacked_federation(tmp_path_factory.mktemp("attacked")) as attacked:
        yield attacked


def check_bounds(measured: Measured) -> None:
    assert set(measured.resident) == set(MOST_MIB), "not every process was seen"
    for kind, mib in measured.resident.items():
        assert mib < MOST_MIB[kind], measured
    assert measured.disk < MOST_PROXY_DISK_MIB, measured


def test_slow_lorises_leave_the_round_going(attacked: Attacked) -> None:
    seen, stop = Seen(), threading.Event()
    threads = slow_lorises(attacked.target, 200, stop, seen)
    try:
        wait(lambda: seen.connected >= 200, 90)
        with attacked.training("slow") as report, attacked.measured() as measured:
            check_everybody_took_part(report())
    finally:
        stop.set()
        wait_for_threads(threads, 30)
    assert seen.sent > 1000
    assert seen.answers[408] + seen.cut > 0, "nobody was thrown out"
    check_bounds(measured)


def test_bodies_of_two_gigabytes_leave_the_round_going(attacked: Attacked) -> None:
    seen, stop = Seen(), threading.Event()
    with attacked.training("large") as report, attacked.measured() as measured:
        threads = endless_bodies(attacked.target, stop, seen, size=2 << 30)
        try:
            check_everybody_took_part(report())
            wait(lambda: seen.answers[413] > 0 and seen.answers[400] > 0, 60)
        finally:
            stop.set()
            wait_for_threads(threads, 30)
    # Nobody unpacks a compressed body: it comes as far as the SuperLink, to which it is no message.
    log = (attacked.folder / "served" / "logs" / "superlink.log").read_text()
    assert 'POST /v1/fleet/push-object HTTP/1.1" 400' in log or 'push-object HTTP/1.0" 400' in log
    assert seen.sent > 100 << 20
    check_bounds(measured)


def test_ten_thousand_connections_leave_the_round_going(attacked: Attacked) -> None:
    seen = Seen()
    with attacked.training("many") as report, attacked.measured() as measured:
        attack = threading.Thread(target=many_connections, args=(attacked.target, 10_000, 4000, seen), daemon=True)
        attack.start()
        check_everybody_took_part(report())
        wait_for_threads([attack], 90)
    assert seen.connected + seen.cut >= 10_000
    assert seen.connected > 5000
    check_bounds(measured)
    with attacked.training("after") as report:
        check_everybody_took_part(report())


def test_a_participant_cannot_bring_an_app_bundle_however_it_is_packed(attacked: Attacked) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with attacked.target.connect_tls() as connection:
        head = f"POST /v1/control/start-run HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(bomb)}\r\n"
        connection.sendall(f"{head}Content-Encoding: gzip\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def zip_bomb(inner: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, archive.open(inner, "w") as out:
        for _ in range(1 << 9):
            out.write(bytes(1 << 20))
    return file.getvalue()


def test_a_zip_bomb_is_no_request_and_no_array_file(tmp_path: Path) -> None:
    bomb = zip_bomb("train_items.npy")
    assert len(bomb) < 1 << 20, "no bomb: it is as large as what is in it"
    path = tmp_path / "bomb"
    path.write_bytes(bomb)
    for read in (read_request, load_arrays):
        with pytest.raises(WrongUse):
            read(path)
        assert peak_bytes(lambda read=read: read(path), WrongUse) < 8 << 20  # type: ignore[misc]
