"""Provisioned folders, started by their commands: admitted, trained, revoked, rotated, pinned."""

import json
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from common.errors import EnvironmentFailure
from launch.admitted_nodes import admitted_nodes
from launch.chain_choice import open_chain
from launch.fleet_proxy import nginx_program
from launch.participant_folder import Participant
from launch.process_tree import marked_processes
from launch.workspace import PROJECT_ROOT
from tests.e2e.machines import Machines, command, provision, tfedrs, wait_for

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    machines = provision(tmp_path_factory.mktemp("machines"), ["alice", "bob"], ["carol", "dave"])
    try:
        machines.coordinate()
        yield machines
    finally:
        machines.stop()
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
    wait_for(lambda: all("SuperNode ID" in machines.node_log(name) for name in ("alice", "bob", "carol")))
    run_id = machines.submit()
    report_path = machines.coordinator.parent / "runs" / "1" / "report.json"
    wait_for(lambda: machines.finished(run_id), 150)
    (training,) = json.loads(report_path.read_bytes())["rounds"]
    assert training["participants"] == 2
    app = Participant.load(machines.folder("alice")).apps[0]
    assert f"The app bundle {app} is not on the list of this machine" in log.read_text()
    assert not list((log.parents[1] / "flower" / "supernode").glob("apps/*"))
    assert list((machines.folder("alice") / "work" / "flower" / "supernode").glob("apps/*"))


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
