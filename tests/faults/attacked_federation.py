"""A real federation behind its proxy, for who wants to attack it.

nginx, SuperLink, three SuperNodes and the coordinator are processes of their own; what is measured is theirs.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.config import Settings
from launch.app_bundle import build_app_bundle
from launch.certificates import ServerCertificates, write_certificates
from launch.node_keys import load_or_create_node_key
from launch.prepared_run import PreparedRun, prepared_run
from launch.process_tree import running_processes, with_descendants
from launch.processes import LOOPBACK, Supervisor, free_ports, wait_until
from launch.run_options import RunOptions
from launch.served_federation import PublicEnd, ServedFederation
from launch.superlink import MOST_MEMORY_BYTES
from launch.supernode import AUTHORITY_FILE, start_supernode
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR
from tests.faults.hostile_network import Target
from tests.launch.small_data import COLUMNS, write_small_csv

CLIENTS, ROUNDS = 3, 2


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
            wait(finished, 200)
            assert control.run_status(run_id)[0] == "finished:completed", control.run_log(run_id)
            content: dict[str, Any] = json.loads((run_dir / "report.json").read_bytes())
            return content

        wait(lambda: (run_dir / "objects").exists() or finished(), 120)  # the first model: a round begins
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


def wait(ready: Callable[[], bool], seconds: float) -> None:
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


@contextmanager
def attacked_federation(base: Path, most_memory_bytes: int = MOST_MEMORY_BYTES) -> Iterator[Attacked]:
    """Start one of CLIENTS nodes for runs of ROUNDS rounds, below `base`."""
    csv = write_small_csv(base / "ratings.csv")
    settings = Settings(
        dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=CLIENTS, rounds=ROUNDS, factors=4, probe_pairs=20
    )
    tls: ServerCertificates = write_certificates(base / "public")
    port, *ports = free_ports(1 + CLIENTS)
    end = PublicEnd(LOOPBACK, port, tls.certificate, tls.key)
    options = RunOptions(base / "run", "embedded", None, None, None)
    with (
        prepared_run(settings, options) as ready,
        ServedFederation(base / "served", end, most_memory_bytes=most_memory_bytes) as federation,
    ):
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
