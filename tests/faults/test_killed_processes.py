"""SIGKILL for each process of a real run, at moments read from its files: the run ends as if nothing had happened."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from launch.anvil import find_anvil
from launch.anvil_state import STATE_FILE
from launch.process_tree import marked_processes
from tests.e2e.command_line import Started, run_to_its_end, started, tfedrs_says
from tests.faults.real_runs import (
    LONGEST,
    RUN,
    flags,
    kill,
    kill_all,
    outcome,
    processes_of,
    resume,
    wait_for,
    wait_until_nothing_is_left,
)

pytestmark = pytest.mark.timeout(2000)
CHAINS = ["embedded", *(["anvil"] if find_anvil() is not None else [])]
CHAIN_PROCESS = {"embedded": "launch.embedded_chain", "anvil": "--prune-history"}
RECEIVED_1, EVIDENCE_1 = Path(RUN, "objects/updates/received-0001.json"), Path(RUN, "evidence/round-0001.json")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    found = {}
    for chain in CHAINS:
        folder = tmp_path_factory.mktemp(chain)
        run_to_its_end(["run", *flags(folder, chain), "--out", RUN], folder, LONGEST)
        found[chain] = outcome(folder / RUN)
    return found


def ended_by(run: Started) -> str:
    """Wait for the end with exit code 3; return the one sentence, which must say how to go on."""
    code, stderr = run.wait(LONGEST)
    (sentence,) = tfedrs_says(stderr)
    assert code == 3, stderr
    assert "Traceback" not in stderr
    assert "; go on with `tfedrs run --resume " in sentence
    assert not marked_processes(run.mark)
    return sentence


@pytest.mark.parametrize("moment", [RECEIVED_1, EVIDENCE_1])
@pytest.mark.parametrize(
    ("process", "said"), [("flwr-serverapp", "did not complete"), ("flower-superlink", "superlink")]
)
def test_a_killed_coordinator_or_superlink_costs_one_resume(
    process: str, said: str, moment: Path, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with started(["run", *flags(tmp_path), "--out", RUN], tmp_path) as run:
        wait_for((tmp_path / moment).exists, run)
        kill(processes_of(run.mark, process)[-1])
        assert said in ended_by(run)
    resume(tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed["embedded"]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_killed_chain_costs_one_resume(chain: str, tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    with started(["run", *flags(tmp_path, chain), "--out", RUN], tmp_path) as run:
        wait_for((tmp_path / EVIDENCE_1).exists, run)
        kill(processes_of(run.mark, CHAIN_PROCESS[chain], str(tmp_path))[-1])
        assert "chain" in ended_by(run)
    resume(tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed[chain]


def test_a_killed_supernode_is_started_again_and_answers_with_what_it_had_stored(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with started(["run", *flags(tmp_path), "--out", RUN], tmp_path) as run:
        client = tmp_path / RUN / "participants" / "client-02"
        wait_for(lambda: list(client.glob("replies/*/round-0001/reply.json")), run)
        kept = next(client.glob("replies/*/round-0001/reply.json")).read_bytes()
        kill(processes_of(run.mark, "flower-supernode", "client-02")[0])
        code, stderr = run.wait(LONGEST)
    assert code == 0, stderr
    assert "The supernode-01 stopped during run" in stderr
    assert "(killed by SIGKILL); it is started again." in stderr
    assert next(client.glob("replies/*/round-0001/reply.json")).read_bytes() == kept
    run_to_its_end(("verify", RUN), tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed["embedded"]


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("everything", [True, False], ids=["power cut", "the launcher alone"])
def test_a_run_killed_as_a_whole_costs_one_resume(
    everything: bool, chain: str, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with started(["run", *flags(tmp_path, chain), "--out", RUN], tmp_path) as run:
        wait_for((tmp_path / RECEIVED_1).exists, run)
        if everything:
            kill_all(run.mark)
        else:
            run.process.kill()
        run.process.communicate(timeout=60)
        wait_until_nothing_is_left(run.mark)
    resume(tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed[chain]


@pytest.mark.skipif("anvil" not in CHAINS, reason="Anvil is not installed (npm ci, or TFEDRS_ANVIL)")
def test_a_state_of_anvil_that_was_torn_by_the_kill_costs_one_resume(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """The copy beside it is older, so that the ledger has lost what was decided last."""
    with started(["run", *flags(tmp_path, "anvil"), "--out", RUN], tmp_path) as run:
        wait_for(lambda: settled_rounds(tmp_path / RUN) == 1, run)
        kill(*processes_of(run.mark, CHAIN_PROCESS["anvil"], str(tmp_path))[-1:])
        assert "chain" in ended_by(run)
    state = tmp_path / RUN / "chain" / STATE_FILE
    os.truncate(state, state.stat().st_size // 2)
    _, stderr = run_to_its_end(("run", "--resume", RUN), tmp_path, LONGEST)
    assert "Anvil was cut off while it wrote" in stderr
    run_to_its_end(("verify", RUN), tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed["anvil"]


def test_a_run_killed_between_its_last_decision_and_its_end_is_finished_by_a_resume(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with started(["run", *flags(tmp_path), "--out", RUN], tmp_path) as run:
        wait_for(lambda: settled_rounds(tmp_path / RUN) == 2, run)
        kill(processes_of(run.mark, "flwr-serverapp")[-1])
        ended_by(run)
    shutil.rmtree(tmp_path / RUN / "logs")
    resume(tmp_path)
    assert outcome(tmp_path / RUN) == undisturbed["embedded"]


def settled_rounds(run: Path) -> int:
    checkpoint = run / "checkpoint" / "state.json"
    settled: int = json.loads(checkpoint.read_bytes())["settled_rounds"] if checkpoint.exists() else 0
    return settled


def test_a_supernode_that_cannot_be_started_again_ends_the_run_with_its_log(tmp_path: Path) -> None:
    with started(["run", *flags(tmp_path, rounds=20), "--out", RUN], tmp_path) as run:  # two go on meanwhile
        wait_for((tmp_path / RECEIVED_1).exists, run)
        (tmp_path / RUN / "participants" / "client-02" / "node.key").write_bytes(b"no key")
        kill(processes_of(run.mark, "flower-supernode", "client-02")[0])
        began = time.monotonic()
        code, stderr = run.wait(LONGEST)
    (sentence,) = tfedrs_says(stderr)
    assert code == 3
    assert "The supernode-01 stopped during run" in sentence
    assert "logs/supernode-01.log" in sentence
    assert time.monotonic() - began > 60  # it is tried for longer than Flower needs to give the old one up
