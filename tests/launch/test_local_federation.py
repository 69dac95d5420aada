import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, WrongUse
from launch import kept_nodes
from launch.local_federation import LocalFederation
from launch.process_tree import marked_processes, running_processes

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUN_SECONDS = 60


def make_folders(base):
    """A copy of the probe app, a run folder, and two clients elsewhere, with a blank in their path."""
    app_dir = shutil.copytree(HERE / "probe_app", base / "probe")
    client_dirs = [base / "the clients" / f"client-{index:02d}" for index in range(2)]
    for client_dir in client_dirs:
        client_dir.mkdir(parents=True)
        (client_dir / "name.txt").write_text(client_dir.name)
    return app_dir, base / "run", client_dirs


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_folders(tmp_path_factory.mktemp("federation"))


@pytest.fixture(scope="module")
def federation(folders):
    with LocalFederation(*folders) as federation:
        yield federation


def test_a_run_asks_every_client_and_completes(federation, folders, tmp_path):
    ticks = []
    answers = tmp_path / "answers.json"
    run_id = federation.submit({"mode": "ask", "phases": 1, "answers": str(answers)})
    federation.wait(run_id, lambda: ticks.append(1), RUN_SECONDS)
    assert federation.status(run_id) == "finished:completed"
    assert json.loads(answers.read_text())[0]["answers"].keys() == {"client-00", "client-01"}
    assert ticks
    assert len(set(federation.node_ids)) == 2
    _, run_folder, client_dirs = folders
    assert "flwr-serverapp" in (run_folder / "logs" / "serverapp.log").read_text()
    secret_files = [client_dir / name for client_dir in client_dirs for name in ("node.key", "ca.pem")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret_files} == {0o600}


def test_the_unpacked_app_and_its_bytecode_are_kept_for_the_next_message(federation, folders):
    _, run_folder, _ = folders
    for name in ("superlink", "supernode-00", "supernode-01"):
        assert list((run_folder / "flower" / name).glob("apps/*/probe/__pycache__/*.pyc"))


def test_a_failing_run_names_the_log_with_the_traceback(federation, folders):
    run_id = federation.submit({"mode": "fail"})
    log = folders[1] / "logs" / "serverapp.log"
    with pytest.raises(EnvironmentFailure, match=rf"^run {run_id} did not complete \(.*\): see {log}$"):
        federation.wait(run_id, lambda: None, RUN_SECONDS)
    assert "Traceback (most recent call last)" in log.read_text()
    assert "ZeroDivisionError: the probe was told to fail" in log.read_text()


def test_a_run_that_takes_too_long_is_stopped(federation):
    run_id = federation.submit({"mode": "hang"})
    with pytest.raises(EnvironmentFailure, match=rf"^run {run_id} was not done after 1 s: see .*serverapp\.log$"):
        federation.wait(run_id, lambda: None, timeout_seconds=1)
    assert federation.status(run_id) == "finished:stopped"
    federation.stop(run_id)  # once more: nothing happens


def test_a_setting_that_the_app_does_not_know_is_refused(federation):
    with pytest.raises(WrongUse, match=r"^the app has no setting 'roundz': declare it"):
        federation.submit({"roundz": 3})


def test_a_taken_port_is_one_sentence(folders, tmp_path):
    app_dir, _, client_dirs = folders
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            pytest.raises(EnvironmentFailure, match=rf"^port {port} of 127\.0\.0\.1 cannot be used"),
            LocalFederation(app_dir, tmp_path / "run", client_dirs, port=port),
        ):
            pass


def test_two_clients_may_not_share_a_folder(folders, tmp_path):
    app_dir, _, client_dirs = folders
    with (
        pytest.raises(WrongUse, match="two clients share a folder"),
        LocalFederation(app_dir, tmp_path, client_dirs[:1] * 2),
    ):
        pass


def test_a_node_that_dies_again_and_again_during_a_run_is_named_with_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_nodes, "TRIES", 0)
    app_dir, run_folder, client_dirs = make_folders(tmp_path)

    def kill_a_node():
        for process in running_processes():
            command = (Path("/proc") / str(process.pid) / "cmdline").read_bytes()
            if b"flower-supernode" in command and str(client_dirs[1]).encode() in command:
                os.kill(process.pid, signal.SIGKILL)

    log = run_folder / "logs" / "supernode-01.log"
    with LocalFederation(app_dir, run_folder, client_dirs) as federation:
        run_id = federation.submit({"mode": "hang"})
        with pytest.raises(
            EnvironmentFailure,
            match=rf"^the supernode-01 stopped during run {run_id} \(killed by SIGKILL\): see {log}$",
        ):
            federation.wait(run_id, kill_a_node, RUN_SECONDS)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, -signal.SIGINT)]
)
def test_no_process_is_left_when_the_launcher_is_told_to_end(tmp_path, number, exit_code):
    app_dir, run_folder, client_dirs = make_folders(tmp_path)
    mark = f"TFEDRS_TEST={secrets.token_hex(8)}"
    name, _, value = mark.partition("=")
    command = [sys.executable, HERE / "federation_driver.py", app_dir, run_folder, *client_dirs]
    environment = {**os.environ, name: value, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as driver:
        assert driver.stdout.readline() == b"waiting\n"
        before = marked_processes(mark)
        driver.send_signal(number)
        assert driver.wait(timeout=30) == exit_code
    # the driver, the superlink, two supernodes, a superexec for each of these three, the serverapp
    assert len(before) == 8
    assert not before & running_processes()
    assert not marked_processes(mark)
