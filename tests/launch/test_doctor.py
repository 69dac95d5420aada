"""`tfedrs doctor` finds what will not work, says what to do about it, and changes nothing."""

import datetime
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from common.config import Settings
from common.errors import WrongUse
from launch import cli, json_rpc
from launch.certificates import write_certificates
from launch.commands.doctor import describe, examine
from launch.doctor import machine, network, versions
from launch.doctor.finding import Finding
from launch.participant_folder import Participant
from launch.prepared_run import PreparedRun, prepared_run
from launch.processes import free_ports
from launch.run_options import RunOptions
from server.coordinator import coordinate
from server.federation import load_secrets
from server.run_status import STATUS_FILE, read_status
from tests.launch.small_data import COLUMNS, write_small_csv
from tests.small_federation import InProcessGrid, forgetful_app

PLAN = 'name = "cinema"\naddress = "localhost"\nport = {port}\nlisten = "127.0.0.1"\nparticipants = ["alice", "bob"]\n'


def found(findings: list[Finding], subject: str) -> list[tuple[str, str]]:
    return [(one.level, one.text) for one in findings if one.subject == subject]


def the(findings: list[Finding], subject: str) -> tuple[str, str]:
    (one,) = found(findings, subject)
    return one


def play(ready: PreparedRun, settings: Settings) -> None:
    _, secret = load_secrets(ready.federation.folder)
    grid = InProcessGrid(forgetful_app(), ready.client_dirs, on_reply=lambda: None)
    coordinate(grid, settings, ready.federation, secret, ready.ledger, ready.folder)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    csv = write_small_csv(tmp_path_factory.mktemp("data") / "ratings.csv")
    return Settings(dataset=f"csv:{csv}", csv_columns=COLUMNS, clients=3, rounds=1, factors=4, probe_pairs=20, seed=5)


@pytest.fixture(scope="module")
def on_chain(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedRun]:
    """A prepared run whose chain is up."""
    out = tmp_path_factory.mktemp("on-chain") / "run"
    with prepared_run(settings, RunOptions(out, "embedded", None, None, None)) as ready:
        yield ready


@pytest.fixture(scope="module")
def played(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("played") / "run"
    with prepared_run(settings, RunOptions(out, "memory", None, None, None)) as ready:
        play(ready, settings)
    return out


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "run"))


@pytest.fixture
def coordinator(run: Path) -> Path:
    """As `tfedrs provision` writes it."""
    (port,) = free_ports(1)
    (run / "coordinator" / "federation.toml").write_text(PLAN.format(port=port))
    write_certificates(run / "coordinator" / "tls")
    return run / "coordinator"


@pytest.fixture
def participant(run: Path) -> Path:
    folder = run / "participants" / "client-01"
    Participant("client-01", "cinema", "localhost:9", ()).save(folder)
    write_certificates(folder / "tls")
    shutil.copy(folder / "tls" / "ca.pem", folder / "ca.pem")
    return folder


@contextmanager
def https(tls: Path, port: int, seconds_ahead: float = 0.0) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(403)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds_ahead)
            return now.strftime("%a, %d %b %Y %H:%M:%S GMT")

        def log_message(self, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_finished_run_is_healthy_and_stays_as_it_was(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    findings = examine(run, "")
    assert {one.level for one in findings} <= {"ok", "warning"}, describe(findings)
    assert the(findings, "evidence") == ("ok", "The evidence of 1 rounds is there; `tfedrs verify` recomputes it.")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_machine_alone_can_be_looked_at() -> None:
    subjects = {one.subject for one in examine(None, "")}
    assert {"python", "packages", "disk", "memory", "processors", "open files"} <= subjects


def test_a_folder_of_something_else_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is no folder of a run, a coordinator or a participant"):
        examine(tmp_path, "")


def test_packages_that_differ_from_their_pins_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = versions.version
    monkeypatch.setattr(versions, "version", lambda name: "0.0.1" if name == "numpy" else real(name))
    level, text = the(list(versions.check_versions()), "packages")
    assert level == "warning"
    assert text == "numpy is 0.0.1, not ==2.4.6: install the pins with `make setup`."


def test_a_full_disk_and_a_folder_of_others_fail(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(run)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    levels = found(examine(run, ""), "disk")
    assert [level for level, _ in levels] == ["failed", "failed"]
    assert "cannot be written by this user" in levels[1][1]


def test_few_open_files_are_a_warning(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.resource, "getrlimit", lambda which: (256, 4096))
    assert the(examine(run, ""), "open files")[0] == "warning"


def test_a_key_that_others_can_read_fails(run: Path) -> None:
    key = run / "participants" / "client-02" / "account.pass"
    key.chmod(0o640)
    level, text = the(examine(run, ""), "keys")
    assert level == "failed"
    assert f"Others can read {key}; `chmod 600` them" in text


def test_a_coordinators_port_is_free_its_own_or_taken(coordinator: Path, tmp_path: Path) -> None:
    port = int((coordinator / "federation.toml").read_text().split("port = ")[1].split("\n")[0])
    assert the(examine(coordinator, ""), "port") == ("ok", f"Port {port} of 127.0.0.1 is free.")
    with https(coordinator / "tls", port):
        assert the(examine(coordinator, ""), "port")[1].startswith(f"Port {port} is this federation's own")
    write_certificates(tmp_path / "other")
    with https(tmp_path / "other", port):
        level, text = the(examine(coordinator, ""), "port")
    assert level == "failed"
    assert f"port {port} of 127.0.0.1 cannot be used" in text


@pytest.mark.parametrize(("days", "level"), [(365, "ok"), (20, "warning"), (-0.001, "failed")])
def test_certificates_are_looked_at_before_they_expire(coordinator: Path, days: float, level: str) -> None:
    write_certificates(coordinator / "tls", valid_for=datetime.timedelta(days=days))
    said = found(examine(coordinator, ""), "certificates")
    assert [one for one, _ in said] == [level, level]
    assert level == "ok" or all("provision again" in text for _, text in said)


def test_a_key_of_another_certificate_and_a_missing_one_fail(coordinator: Path, tmp_path: Path) -> None:
    other = write_certificates(tmp_path / "other")
    shutil.copy(other.key, coordinator / "tls" / "server.key")
    assert "is not the key of" in found(examine(coordinator, ""), "certificates")[-1][1]
    (coordinator / "tls" / "server.pem").unlink()
    assert "cannot be read" in found(examine(coordinator, ""), "certificates")[-1][1]


@pytest.mark.parametrize(
    ("seconds_ahead", "level"), [(0, "ok"), (-12, "failed"), (60, "warning"), (400, "failed")], ids=str
)
def test_a_participants_clock_is_compared_with_its_coordinators(
    participant: Path, seconds_ahead: float, level: str
) -> None:
    """A SuperLink takes a node's signed time from 5 s ahead of its own to 300 s behind."""
    (port,) = free_ports(1)
    Participant("client-01", "cinema", f"localhost:{port}", ()).save(participant)
    with https(participant / "tls", port, seconds_ahead):
        findings = examine(participant, "")
    assert the(findings, "coordinator")[0] == "ok"
    assert the(findings, "clock")[0] == level


def test_a_coordinator_that_nobody_vouches_for_or_that_is_away_fails(participant: Path, tmp_path: Path) -> None:
    assert the(examine(participant, ""), "coordinator")[0] == "failed"
    (port,) = free_ports(1)
    Participant("client-01", "cinema", f"localhost:{port}", ()).save(participant)
    write_certificates(tmp_path / "other")
    with https(tmp_path / "other", port):
        level, text = the(examine(participant, ""), "coordinator")
    assert level == "failed"
    assert "CERTIFICATE_VERIFY_FAILED" in text


def test_a_chain_is_asked_for_contracts_and_money(on_chain: PreparedRun) -> None:
    findings = examine(on_chain.folder, on_chain.chain_url)
    assert the(findings, "contracts")[0] == "ok"
    assert the(findings, "treasury") == ("ok", "The treasury holds 1,000 TFR, enough for 1 rounds.")
    assert the(findings, "gas money")[0] == "ok"
    account = json.loads((on_chain.folder / "coordinator" / "account.json").read_bytes())["address"]
    json_rpc.request(on_chain.chain_url, "anvil_setBalance", f"0x{account.removeprefix('0x')}", "0x1")
    level, text = the(examine(on_chain.folder, on_chain.chain_url), "gas money")
    assert level == "failed"
    assert "send it some" in text


def test_a_chain_that_is_another_or_away_fails(on_chain: PreparedRun) -> None:
    deployment = on_chain.folder / "coordinator" / "deployment.json"
    before = deployment.read_bytes()
    try:
        deployment.write_text(json.dumps(json.loads(before) | {"chain_id": 1}))
        assert (
            "but the contracts were deployed on chain 1"
            in found(examine(on_chain.folder, on_chain.chain_url), "chain")[-1][1]
        )
    finally:
        deployment.write_bytes(before)
    (port,) = free_ports(1)
    level, text = the(examine(on_chain.folder, f"http://127.0.0.1:{port}"), "chain")
    assert level == "failed"
    assert "does not answer" in text


def test_what_answers_but_is_no_chain_fails(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rpc, "request", lambda url, method, *rest: {"timestamp": "soon"})
    level, text = the(examine(run, "http://127.0.0.1:1"), "chain")
    assert level == "failed"
    assert "is no chain" in text


def test_a_clock_behind_the_chain_is_told() -> None:
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1000)
    (one,) = network.clock_finding("the chain's newest block", soon)
    assert one.level == "failed"
    assert "behind the chain's newest block" in one.text


def test_an_interrupted_run_is_a_warning_and_altered_evidence_fails(run: Path) -> None:
    status = read_status(run)
    assert status is not None
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    (run / STATUS_FILE).write_bytes(replace(status, phase="train", pid=gone.pid).to_bytes())
    assert the(examine(run, ""), "run")[0] == "warning"
    evidence = run / "evidence" / "round-0001.json"
    evidence.write_bytes(evidence.read_bytes() + b" ")
    assert the(examine(run, ""), "evidence")[0] == "failed"
    evidence.unlink()
    assert the(examine(run, ""), "evidence") == ("failed", f"{evidence} is missing; restore it from a backup.")


def test_the_command_exits_with_1_where_a_check_failed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", str(run)]) == 0
    assert capsys.readouterr().out.strip().endswith("0 failed.")
    (run / "coordinator" / "committee.secret").chmod(0o644)
    assert cli.main(["doctor", str(run)]) == 1
    out, err = capsys.readouterr()
    assert "FAILED  keys" in out
    assert err == "tfedrs: A check failed (keys); do what its line says.\n"
    assert cli.main(["doctor", str(run), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["healthy"] is False
    assert {one["level"] for one in record["findings"] if one["subject"] == "keys"} == {"failed"}
