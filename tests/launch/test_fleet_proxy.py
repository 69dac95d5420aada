"""Real nginx before a real SuperLink: nodes train through it, and somebody with the CA file can do nothing else."""

import datetime
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flwr.supercore.date import now
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from flwr.supernode import node_auth_http_interceptor

from common.config import Settings
from common.errors import EnvironmentFailure, WrongUse
from launch import fleet_proxy
from launch.app_bundle import build_app_bundle
from launch.certificates import ServerCertificates, write_certificates
from launch.control_api import ControlApi
from launch.fleet_proxy import FleetProxy, nginx_program
from launch.greeting import check_node
from launch.node_keys import load_node_key, load_or_create_node_key
from launch.prepared_run import PreparedRun, prepared_run
from launch.processes import LOOPBACK, Supervisor, free_ports, wait_until
from launch.run_options import RunOptions
from launch.served_federation import PublicEnd, ServedFederation
from launch.supernode import AUTHORITY_FILE, start_supernode
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR
from tests.launch.small_data import COLUMNS, write_small_csv

try:
    nginx_program()
except EnvironmentFailure as failure:
    MISSING = str(failure)
else:
    MISSING = ""
with_nginx = pytest.mark.skipif(bool(MISSING), reason=MISSING)

CONTROL = ("list-nodes", "register-node", "start-run", "list-runs", "stop-run", "stream-logs")
RUNTIME = ("acquire-task", "pull-task-input", "push-task-output", "get-nodes", "push-messages")
DETOURS = (
    "/v1/fleet/../control/list-nodes",
    "/v1/fleet/%2e%2e/control/list-nodes",
    "/v1/fleet/..%2fcontrol/list-nodes",
    "/v1/fleet/x/../../control/list-nodes",
    "//v1/control/list-nodes",
    "/v1/fleet;/../control/list-nodes",
    "https://localhost/v1/control/list-nodes",
)


@dataclass(frozen=True)
class Served:
    """A federation behind its proxy, and a participant's view of it."""

    federation: ServedFederation
    ready: PreparedRun
    tls: ServerCertificates
    port: int
    folder: Path

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def stranger(self) -> ControlApi:
        """Somebody who has nothing but the CA file and knows the public address."""
        return ControlApi(self.address, self.tls.authority, self.folder / "none.log")

    def ask(self, path: str, method: str = "POST", headers: str = "") -> tuple[int, str]:
        """Send a path exactly as it is written, which HTTP libraries would tidy up; return status and answer."""
        context = ssl.create_default_context(cafile=self.tls.authority)
        with (
            socket.create_connection((LOOPBACK, self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{headers}Connection: close\r\n"
            connection.sendall(f"{head}\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        return int(answer.split()[1]), answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    base = tmp_path_factory.mktemp("served by nginx")
    csv = write_small_csv(base / "ratings.csv")
    settings = Settings(
        dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=2, rounds=1, factors=4, probe_pairs=20, phase_timeout=60.0
    )
    options = RunOptions(base / "run", "embedded", None, None, None)
    tls = write_certificates(base / "public")
    (port,) = free_ports(1)
    end = PublicEnd(LOOPBACK, port, tls.certificate, tls.key)
    with prepared_run(settings, options) as ready, ServedFederation(base / "served", end) as federation:
        yield Served(federation, ready, tls, port, base)


@with_nginx
def test_two_nodes_train_a_round_through_the_proxy(served: Served) -> None:
    control, clients = served.federation.control, served.ready.client_dirs
    ports = free_ports(len(clients))
    nodes = set()
    with Supervisor() as supervisor:
        for client_dir, port in zip(clients, ports, strict=True):
            shutil.copy(served.tls.authority, client_dir / AUTHORITY_FILE)
            nodes.add(control.register_node(load_or_create_node_key(client_dir), client_dir.name))
            start_supernode(supervisor, client_dir.name, served.folder / "nodes", client_dir, served.address, port)
        wait_until(lambda: control.online_nodes() >= nodes, "both", watched=supervisor.children, seconds=60)
        where: dict[str, bool | int | float | str] = {
            COORDINATOR_DIR: str(served.ready.federation.folder),
            RUN_DIR: str(served.ready.folder),
            CHAIN_URL: served.ready.chain_url,
        }
        settings = served.ready.federation.prepared_with.to_run_config()
        run_id = control.start_run(build_app_bundle(PROJECT_ROOT), settings | where)
        deadline = time.monotonic() + 120
        while not control.run_status(run_id)[0].startswith("finished"):
            served.federation.raise_if_any_ended("during the run")
            assert time.monotonic() < deadline, control.run_status(run_id)
            time.sleep(0.5)
    assert control.run_status(run_id)[0] == "finished:completed", control.run_log(run_id)
    report: dict[str, Any] = json.loads((served.ready.folder / "report.json").read_bytes())
    assert report["rounds"][0]["participants"] == 2
    assert report["ledger"]["settled_rounds"] == 1
    refused = (served.folder / "served" / "proxy" / "refused.log").read_text().splitlines()
    assert not [line for line in refused if "/v1/" in line and "502" not in line]


@with_nginx
def test_who_holds_the_ca_can_neither_register_nodes_nor_list_nor_start_runs(served: Served, tmp_path: Path) -> None:
    known = served.federation.control.online_nodes()
    with served.stranger() as control:
        for attempt in (
            lambda: control.register_node(load_or_create_node_key(tmp_path), "intruder"),
            control.online_nodes,
            lambda: control.start_run(build_app_bundle(PROJECT_ROOT), {}),
            lambda: control.run_status(1),
            lambda: control.stop_run(1),
            lambda: control.run_log(1),
        ):
            with pytest.raises(EnvironmentFailure, match=r"refuses /v1/control/[a-z-]+ \(403 "):
                attempt()
    assert served.federation.control.online_nodes() == known


@with_nginx
@pytest.mark.parametrize(
    "path", [*(f"/v1/control/{name}" for name in CONTROL), *(f"/v1/runtime/{name}" for name in RUNTIME), "/", "/docs"]
)
def test_nothing_but_the_fleet_is_passed(served: Served, path: str) -> None:
    assert served.ask(path)[0] == 403
    assert path in (served.folder / "served" / "proxy" / "refused.log").read_text()


@with_nginx
@pytest.mark.parametrize("path", DETOURS)
def test_a_detour_through_the_fleet_does_not_reach_the_control_interface(served: Served, path: str) -> None:
    status, _ = served.ask(path)
    assert status in {400, 403, 404}


@with_nginx
def test_the_fleet_itself_asks_for_a_node_that_is_known(served: Served) -> None:
    protobuf = f"Content-Type: {PROTOBUF_MEDIA_TYPE}\r\n"
    status, answer = served.ask("/v1/fleet/pull-messages", headers=protobuf)
    assert (status, "Invalid SuperNode authentication" in answer) == (401, True)
    assert served.ask("/v1/fleet/pull-messages", "GET")[0] == 403


@with_nginx
@pytest.mark.parametrize(("ahead", "said"), [(0, "was never admitted"), (600, "set the clock")])
def test_a_node_learns_whether_it_is_its_key_or_its_clock(
    ahead: int, said: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.timedelta(seconds=ahead)
    monkeypatch.setattr(node_auth_http_interceptor, "now", lambda: now() + later)
    load_or_create_node_key(tmp_path)
    with pytest.raises(WrongUse, match=said):
        check_node(served.address, served.tls.authority, load_node_key(tmp_path))


@with_nginx
def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(served: Served) -> None:
    context = ssl.create_default_context(cafile=served.tls.authority)
    with (
        socket.create_connection((LOOPBACK, served.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        length = (fleet_proxy.LARGEST_BODY_MIB << 20) + 1
        connection.sendall(
            f"POST /v1/fleet/push-object HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@with_nginx
def test_the_superlink_itself_listens_on_the_loopback_alone(served: Served) -> None:
    port = int(served.federation.address.rpartition(":")[2])
    listening = {
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].rpartition(":")[2], 16) == port
    }
    assert listening == {f"0100007F:{port:04X}"}


@with_nginx
def test_a_superlink_that_another_authority_vouches_for_is_not_spoken_to(tmp_path: Path) -> None:
    tls = write_certificates(tmp_path / "tls")
    other = write_certificates(tmp_path / "other")
    port, behind = free_ports(2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.certificate, other.key)
    with socket.create_server((LOOPBACK, behind)) as listener, Supervisor() as supervisor:
        proxy = FleetProxy(LOOPBACK, port, tls.certificate, tls.key, behind, tls.authority)
        child = fleet_proxy.start_fleet_proxy(supervisor, proxy, tmp_path / "proxy", tmp_path / "proxy.log")
        served = Served(None, None, tls, port, tmp_path)  # type: ignore[arg-type]

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((LOOPBACK, port)) == 0

        wait_until(listens, "the proxy", watched=[child], seconds=10)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as shown:
                shown.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        assert served.ask("/v1/fleet/pull-messages")[0] == 502
        thread.join(10)
        assert "upstream SSL certificate verify error" in (tmp_path / "proxy.log").read_text()


@with_nginx
def test_a_port_that_is_taken_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    tls = write_certificates(tmp_path / "tls")
    with socket.create_server((LOOPBACK, 0)) as taken:
        end = PublicEnd(LOOPBACK, taken.getsockname()[1], tls.certificate, tls.key)
        sentence = r"^port \d+ of 127\.0\.0\.1 cannot be used \(Address already in use\)"
        with pytest.raises(EnvironmentFailure, match=sentence), ServedFederation(tmp_path / "served", end):
            pass


def test_a_machine_without_nginx_gets_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fleet_proxy, "_PLACES", ())
    with pytest.raises(EnvironmentFailure, match=r"^nginx is not installed.*apt-get install nginx-light"):
        nginx_program()


@pytest.mark.parametrize("sign", ['"', "$", "\\", "\n"])
def test_a_path_that_nginx_would_read_otherwise_is_refused(tmp_path: Path, sign: str) -> None:
    proxy = FleetProxy(LOOPBACK, 1, tmp_path / f"a{sign}b.pem", tmp_path / "key", 2, tmp_path / "ca")
    with pytest.raises(WrongUse, match="cannot be written in an nginx configuration"):
        proxy.configuration(tmp_path)


def test_an_ipv6_address_is_listened_on_in_brackets(tmp_path: Path) -> None:
    proxy = FleetProxy("::1", 9443, tmp_path / "a", tmp_path / "b", 2, tmp_path / "ca")
    assert "listen [::1]:9443 ssl;" in proxy.configuration(tmp_path)
