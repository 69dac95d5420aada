"""SIGKILL for `tfedrs coordinate` and `tfedrs participate` in the middle of a round, and what systemd does then."""

import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from common.account import load_account
from common.errors import EnvironmentFailure
from contracts.deployment import Deployment
from launch.chain_choice import open_chain
from launch.fleet_proxy import nginx_program
from launch.process_tree import marked_processes
from launch.simulation import simulate
from launch.start_files import RESTART_SECONDS
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, load_federation
from tests.e2e.command_line import new_mark
from tests.e2e.machines import Machines, provision, wait_for
from tests.faults.real_runs import kill_all, outcome, processes_of

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)

pytestmark = pytest.mark.timeout(2000)
NAMES = ["alice", "bob", "carol"]
LONGEST = 800


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("provisioned")
    provision(base, NAMES, [], rounds=2, phase_timeout=400.0)
    return base


@pytest.fixture(scope="module")
def undisturbed(provisioned: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same federation in one process, which leaves the same bytes, as tests/e2e shows."""
    home = tmp_path_factory.mktemp("undisturbed") / "cinema"
    shutil.copytree(provisioned / "cinema", home)
    coordinator = home / "coordinator"
    federation = load_federation(coordinator)
    with open_chain("embedded", home / "chain") as endpoint:
        deployment = Deployment.load(coordinator / DEPLOYMENT_FILE)
        ledger = ChainLedger(endpoint.url, deployment, load_account(coordinator).key)
        client_dirs = [home / "participants" / name for name in NAMES]
        simulate(federation.prepared_with, federation, client_dirs, ledger, home / "runs" / "1", lambda: None)
    return outcome(home / "runs" / "1", coordinator)


class Service:
    """A `tfedrs` that is started again when it fails, as a unit of systemd with Restart=on-failure is."""

    def __init__(self, base: Path, name: str, *arguments: str) -> None:
        self.machine = Machines(base, new_mark())
        self.failures: list[int] = []
        self._command = (name, *arguments)
        self._over = threading.Event()
        self._process = self.machine.start(*self._command)
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def kill(self, *, everything: bool) -> None:
        """Kill `tfedrs` alone, which is what systemd's OOM policy or a person does, or its machine."""
        if everything:
            kill_all(self.machine.mark)
        else:
            self._process.kill()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self.machine.stop()
        assert not marked_processes(self.machine.mark)

    def _keep(self) -> None:
        while not self._over.wait(0.2):
            if self._process.poll() not in (None, 0):
                self.failures.append(self._process.returncode)
                if not self._over.wait(RESTART_SECONDS):
                    self._process = self.machine.start(*self._command)


@dataclass(frozen=True)
class Federation:
    """Everybody up, and round 1 of the first run under way."""

    machines: Machines
    services: dict[str, Service]
    run_id: str

    @property
    def run(self) -> Path:
        return self.machines.coordinator.parent / "runs" / "1"

    def outcome(self) -> dict[str, Any]:
        return outcome(self.run, self.machines.coordinator)


@pytest.fixture
def federation(provisioned: Path, tmp_path: Path) -> Iterator[Federation]:
    shutil.copytree(provisioned / "cinema", tmp_path / "cinema")
    machines = Machines(tmp_path, new_mark())
    services = {"coordinator": Service(tmp_path, "coordinator", "coordinate", str(machines.coordinator))}
    try:
        wait_for(machines.flower_config.exists, 240)
        for name in NAMES:
            services[name] = Service(tmp_path, name, "participate", str(machines.folder(name)))
        wait_for(lambda: all("SuperNode ID" in machines.node_log(name) for name in NAMES), 240)
        yield Federation(machines, services, machines.submit())
    finally:
        for service in reversed(services.values()):
            service.stop()


@pytest.mark.parametrize("everything", [False, True], ids=["tfedrs alone", "its machine"])
def test_a_participant_that_is_killed_while_it_trains_comes_back_into_the_round(
    everything: bool, federation: Federation, undisturbed: dict[str, Any]
) -> None:
    bob = federation.services["bob"]
    wait_for(lambda: processes_of(bob.machine.mark, "flwr-clientapp"), LONGEST)
    bob.kill(everything=everything)
    wait_for(lambda: federation.machines.finished(federation.run_id), LONGEST)
    assert bob.failures[0] == -signal.SIGKILL
    assert federation.outcome() == undisturbed


@pytest.mark.parametrize("everything", [False, True], ids=["tfedrs alone", "its machine"])
def test_a_run_whose_coordinator_was_killed_goes_on_where_it_is_submitted_again_with_its_run_dir(
    everything: bool, federation: Federation, undisturbed: dict[str, Any]
) -> None:
    coordinator, machines = federation.services["coordinator"], federation.machines
    wait_for((federation.run / "objects/updates/received-0001.json").exists, LONGEST)
    machines.flower_config.unlink()
    coordinator.kill(everything=everything)
    wait_for(machines.flower_config.exists, 240)
    run_id = machines.submit('run-dir="runs/1"')
    wait_for(lambda: machines.finished(run_id), LONGEST)
    assert coordinator.failures == [-signal.SIGKILL]
    assert {name: federation.services[name].failures for name in NAMES} == {name: [] for name in NAMES}
    assert federation.outcome() == undisturbed
