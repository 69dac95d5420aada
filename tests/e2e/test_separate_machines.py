"""Provisioned folders, started by their commands: admitted, trained, revoked, rotated, pinned."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from launch.admitted_nodes import admitted_nodes
from launch.chain_choice import open_chain
from launch.fleet_proxy import nginx_program
from launch.flower_environment import flower_program
from launch.participant_folder import Participant
from launch.process_tree import marked_processes
from launch.processes import free_ports
from launch.workspace import PROJECT_ROOT
from tests.e2e.command_line import environment, new_mark, tfedrs_says
from tests.launch.small_data import COLUMNS, write_small_csv

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)

PLAN = """\
name = "cinema"
address = "localhost"
port = {port}
listen = "127.0.0.1"
participants = ["alice", "bob"]
own_keys = ["carol", "dave"]

[settings]
dataset = "csv:{csv}"
csv-columns = "{columns}"
rounds = 1
factors = 4
probe-pairs = 20
phase-timeout = 60.0
"""


def wait_for(ready: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@dataclass
class Machines:
    """A coordinator that runs, and whoever was started to take part."""

    base: Path
    mark: str
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    @property
    def coordinator(self) -> Path:
        return self.base / "cinema" / "coordinator"

    def folder(self, name: str) -> Path:
        return self.base / "cinema" / "participants" / name

    def start(self, name: str, *arguments: str) -> "subprocess.Popen[str]":
        with (self.base / f"{name}.err").open("w") as errors:
            self.running[name] = process = subprocess.Popen(
                command(arguments), cwd=PROJECT_ROOT, env=environment(self.mark), stderr=errors, text=True
            )
        return process

    def take_part(self, name: str, *flags: str) -> "subprocess.Popen[str]":
        return self.start(name, "participate", str(self.folder(name)), *flags)

    def said(self, name: str) -> str:
        return " ".join((self.base / f"{name}.err").read_text().split())

    def ended(self, name: str) -> tuple[int, list[str]]:
        """Wait for the end; return exit code and what `tfedrs` said."""
        return self.running.pop(name).wait(60), tfedrs_says((self.base / f"{name}.err").read_text())

    def flwr(self, *arguments: str) -> str:
        home = self.coordinator.parent / "served" / "flower" / "cli"
        done = subprocess.run(
            [flower_program("flwr"), *arguments],
            cwd=PROJECT_ROOT,
            env={**os.environ, "FLWR_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "launch.cli", *arguments]


def tfedrs(*arguments: str) -> str:
    done = subprocess.run(
        command(arguments),
        cwd=PROJECT_ROOT,
        env=environment(new_mark()),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    base = tmp_path_factory.mktemp("machines")
    (port,) = free_ports(1)
    plan = base / "federation.toml"
    plan.write_text(PLAN.format(port=port, csv=write_small_csv(base / "ratings.csv"), columns=COLUMNS))
    tfedrs("provision", str(plan), "--out", str(base / "cinema"))
    machines = Machines(base, new_mark())
    try:
        coordinator = machines.start("coordinator", "coordinate", str(machines.coordinator))
        config = machines.coordinator.parent / "served" / "flower" / "cli" / "config.toml"
        wait_for(lambda: config.exists() or coordinator.poll() is not None)
        assert coordinator.poll() is None, machines.said("coordinator")
        yield machines
    finally:
        for process in machines.running.values():
            process.terminate()
        for process in machines.running.values():
            process.wait(60)
        assert not marked_processes(machines.mark)


def test_secrets_are_in_the_folder_they_are_for_and_in_no_other(machines: Machines) -> None:
    for name in ("alice", "bob"):
        for file in ("account.json", "account.pass", "node.key", "ca.pem", "data.npz"):
            assert (machines.folder(name) / file).stat().st_mode & 0o777 == 0o600
    assert not [path for path in machines.folder("carol").iterdir() if path.name in {"account.json", "node.key"}]
    keys = [path for path in machines.base.rglob("*.key") if "served" not in path.parts]
    assert {path.parent.name for path in keys} == {"alice", "bob", "tls"}
    participant = Participant.load(machines.folder("alice"))
    assert participant.apps == (json.loads(tfedrs("bundle", "--json"))["app_sha256"],)
    assert os.access(machines.folder("alice") / "start.sh", os.X_OK)


def test_a_node_that_was_not_admitted_and_another_chain_are_refused_in_a_sentence(machines: Machines) -> None:
    tfedrs("join", str(machines.folder("dave")))
    machines.take_part("dave")
    code, (sentence,) = machines.ended("dave")
    assert code == 2
    assert "does not let this node in: it was never admitted" in sentence
    with open_chain("embedded", machines.base / "another") as other:
        machines.take_part("alice", "--chain", other.url)
        code, (sentence,) = machines.ended("alice")
    assert code == 3
    assert f"The chain at {other.url} has no RewardToken at" in sentence


def test_admitted_nodes_train_and_an_app_that_is_not_on_the_list_never_runs(machines: Machines) -> None:
    tfedrs("join", str(machines.folder("carol")))
    for name in ("carol", "dave"):  # dave stays away
        tfedrs("admit", str(machines.coordinator), str(machines.folder(name) / "request.json"))
    wait_for(lambda: {"carol", "dave"} <= set(re.findall(r"(\w+) is let in as node", machines.said("coordinator"))))
    Participant("carol", "cinema", Participant.load(machines.folder("alice")).superlink, ("0" * 64,)).save(
        machines.folder("carol")
    )
    for name in ("alice", "bob", "carol"):
        machines.take_part(name)
    log = machines.folder("carol") / "work" / "logs" / "supernode.log"
    wait_for(lambda: all("SuperNode ID" in node_log(machines, name) for name in ("alice", "bob", "carol")))
    run_id = str(json.loads(machines.flwr("run", ".", "local", "--format", "json"))["run-id"])
    report_path = machines.coordinator.parent / "runs" / "1" / "report.json"

    def finished() -> bool:
        (run,) = json.loads(machines.flwr("list", "local", "--run-id", run_id, "--format", "json"))["runs"]
        assert run["status"] not in {"finished:failed", "finished:stopped"}, run
        return bool(run["status"] == "finished:completed")

    wait_for(finished, 150)
    (training,) = json.loads(report_path.read_bytes())["rounds"]
    assert training["participants"] == 2
    app = Participant.load(machines.folder("alice")).apps[0]
    assert f"The app bundle {app} is not on the list of this machine" in log.read_text()
    assert not list((log.parents[1] / "flower" / "supernode").glob("apps/*"))
    assert list((machines.folder("alice") / "work" / "flower" / "supernode").glob("apps/*"))


def node_log(machines: Machines, name: str) -> str:
    path = machines.folder(name) / "work" / "logs" / "supernode.log"
    return path.read_text() if path.exists() else ""


def test_a_revoked_node_ends_and_is_told_why(machines: Machines) -> None:
    tfedrs("revoke", str(machines.coordinator), "bob")
    code, (sentence,) = machines.ended("bob")
    assert code == 2
    assert "it was never admitted, or it was revoked" in sentence
    assert set(admitted_nodes(machines.coordinator)) == {"alice", "carol", "dave"}


def test_a_new_node_key_takes_the_place_of_the_old_one_while_the_federation_runs(machines: Machines) -> None:
    before = admitted_nodes(machines.coordinator)["alice"]
    tfedrs("join", str(machines.folder("alice")), "--new-node-key")
    tfedrs("admit", str(machines.coordinator), str(machines.folder("alice") / "request.json"))
    after = admitted_nodes(machines.coordinator)["alice"]
    assert (after.account, after.node_public_key == before.node_public_key) == (before.account, False)
    machines.ended("alice")  # the process with the old key
    machines.take_part("alice")
    wait_for(lambda: "alice takes part in cinema" in machines.said("alice"))


def test_a_request_for_somebody_elses_place_is_refused(machines: Machines) -> None:
    stranger = machines.base / "stranger"
    for name, why in (("alice", "The name 'alice' belongs to another account"), ("eve", "has nobody called 'eve'")):
        tfedrs("join", str(stranger), "--name", name, "--federation", "cinema")
        refused = subprocess.run(
            command(["admit", str(machines.coordinator), str(stranger / "request.json")]),
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 2
        assert why in refused.stderr
