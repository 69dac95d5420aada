"""A real federation behind its proxy, whose runs go on while somebody attacks it: everybody takes part to the end.

nginx, SuperLink, three SuperNodes and the coordinator are processes of their own; what is measured is theirs.
"""

import gzip
import io
import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from common.config import Settings
from common.data.array_file import load_arrays
from common.errors import EnvironmentFailure, WrongUse
from launch.app_bundle import build_app_bundle
from launch.certificates import ServerCertificates, write_certificates
from launch.fleet_proxy import nginx_program
from launch.join_request import read_request
from launch.node_keys import load_or_create_node_key
from launch.prepared_run import PreparedRun, prepared_run
from launch.process_tree import running_processes, with_descendants
from launch.processes import LOOPBACK, Supervisor, free_ports, wait_until
from launch.run_options import RunOptions
from launch.served_federation import PublicEnd, ServedFederation
from launch.supernode import AUTHORITY_FILE, start_supernode
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR
from tests.faults.hostile_network import (
    Seen,
    Target,
    endless_bodies,
    many_connections,
    slow_lorises,
    wait_for_threads,
)
from tests.launch.small_data import COLUMNS, write_small_csv
from tests.peak_memory import peak_bytes

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)

CLIENTS, ROUNDS = 3, 2
MOST_MIB = {"nginx": 640, "flower-superlink": 600, "coordinator": 700}
"""Resident memory of each process at any moment of an attack. 4,000 half-open TLS handshakes take nginx some 260 MiB,
and it has sockets for twice as many; SuperLink and coordinator take some 180 and 160, attack or none."""
MOST_PROXY_DISK_MIB = 256


@dataclass
class Measured:
    """The most that was seen, in MiB: resident memory by kind of process, and what the proxy has on disk."""

    resident: dict[str, int] = field(default_factory=dict)
    disk: int = 0


@dataclass(frozen=True)
class Attacked:
    """A federation whose nodes are up."""

    federation: ServedFederation
    ready: PreparedRun
    target: Target
    nodes: frozenset[int]
    folder: Path

    @contextmanager
    def training(self, name: str) -> Iterator[Callable[[], dict[str, Any]]]:
        """Start a run; in the block a round of it is going on. Yields what waits for the end and gives the report."""
        control, run_dir = self.federation.control, self.ready.folder / "runs" / name
        where: dict[str, bool | int | float | str] = {
            COORDINATOR_DIR: str(self.ready.federation.folder),
            RUN_DIR: str(run_dir),
            CHAIN_URL: self.ready.chain_url,
        }
        settings = self.ready.federation.prepared_with.to_run_config()
        run_id = control.start_run(build_app_bundle(PROJECT_ROOT), settings | where)

        def finished() -> bool:
            self.federation.raise_if_any_ended("under attack")
            return control.run_status(run_id)[0].startswith("finished")

        def report() -> dict[str, Any]:
            _wait(finished, 200)
            assert control.run_status(run_id)[0] == "finished:completed", control.run_log(run_id)
            content: dict[str, Any] = json.loads((run_dir / "report.json").read_bytes())
            return content

        _wait(lambda: (run_dir / "objects").exists() or finished(), 120)  # the first model: a round begins
        assert not finished(), control.run_log(run_id)
        yield report

    @contextmanager
    def measured(self) -> Iterator[Measured]:
        """Look at memory and disk ten times a second."""
        seen, over = Measured(), threading.Event()
        proxy = self.folder / "served" / "proxy"

        def look() -> None:
            while not over.is_set():
                for kind, mib in _resident_mib().items():
                    seen.resident[kind] = max(mib, seen.resident.get(kind, 0))
                seen.disk = max(seen.disk, _size_mib(proxy))
                over.wait(0.1)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


def _wait(ready: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _resident_mib() -> dict[str, int]:
    """The largest process of each kind among the descendants of this one."""
    running = running_processes()
    mine = with_descendants(frozenset(one for one in running if one.pid == os.getpid()), running)
    found: dict[str, int] = {}
    for process in mine:
        try:
            command = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        kind = next((name for name, mark in _KINDS.items() if mark in command), None)
        if kind is not None:
            found[kind] = max(found.get(kind, 0), pages * os.sysconf("SC_PAGE_SIZE") >> 20)
    return found


_KINDS = {"nginx": "nginx", "flower-superlink": "flower-superlink", "coordinator": "flwr-serverapp"}


def _size_mib(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total >> 20


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    base = tmp_path_factory.mktemp("attacked")
    csv = write_small_csv(base / "ratings.csv")
    settings = Settings(
        dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=CLIENTS, rounds=ROUNDS, factors=4, probe_pairs=20
    )
    tls: ServerCertificates = write_certificates(base / "public")
    port, *ports = free_ports(1 + CLIENTS)
    end = PublicEnd(LOOPBACK, port, tls.certificate, tls.key)
    options = RunOptions(base / "run", "embedded", None, None, None)
    with prepared_run(settings, options) as ready, ServedFederation(base / "served", end) as federation:
        nodes = set()
        with Supervisor() as supervisor:
            for client_dir, node_port in zip(ready.client_dirs, ports, strict=True):
                shutil.copy(tls.authority, client_dir / AUTHORITY_FILE)
                nodes.add(federation.control.register_node(load_or_create_node_key(client_dir), client_dir.name))
                start_supernode(supervisor, client_dir.name, base / "nodes", client_dir, f"localhost:{port}", node_port)
            control = federation.control
            wait_until(lambda: control.online_nodes() >= nodes, "all", watched=supervisor.children, seconds=90)
            yield Attacked(federation, ready, Target(port, tls.authority), frozenset(nodes), base)


def check_everybody_took_part(report: dict[str, Any]) -> None:
    assert [(row["participants"], row["rejected"]) for row in report["rounds"]] == [(CLIENTS, [])] * ROUNDS
    assert report["ledger"]["settled_rounds"] == ROUNDS


def check_bounds(measured: Measured) -> None:
    assert set(measured.resident) == set(MOST_MIB), "not every process was seen"
    for kind, mib in measured.resident.items():
        assert mib < MOST_MIB[kind], measured
    assert measured.disk < MOST_PROXY_DISK_MIB, measured


def test_slow_lorises_leave_the_round_going(attacked: Attacked) -> None:
    seen, stop = Seen(), threading.Event()
    threads = slow_lorises(attacked.target, 200, stop, seen)
    try:
        _wait(lambda: seen.connected >= 200, 90)
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
            _wait(lambda: seen.answers[413] > 0 and seen.answers[400] > 0, 60)
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
