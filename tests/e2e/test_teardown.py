"""However a real federation ends, it says so in one sentence and leaves no process behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from launch.process_tree import Process, marked_processes, running_processes
from launch.processes import free_ports
from tests.e2e.command_line import Started, started, tfedrs_says

# More rounds than anybody waits for; two clients are the fewest, and start soonest.
ENDLESS = ("run", "--clients", "2", "--rounds", "50", "--factors", "8", "--probe-pairs", "50", "--out", "run")
TRAINS = b"flwr-clientapp"  # the process that a SuperNode starts for each message


def command_of(process: Process) -> bytes:
    try:
        return (Path("/proc") / str(process.pid) / "cmdline").read_bytes()
    except OSError:
        return b""


def wait_for(found: Callable[[], bool], federation: Started, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert federation.process.poll() is None, federation.wait()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def wait_until_it_trains(federation: Started) -> frozenset[Process]:
    """Return its processes, one of which now works for a client."""
    wait_for(lambda: any(TRAINS in command_of(each) for each in marked_processes(federation.mark)), federation)
    processes = marked_processes(federation.mark)
    # the program, its chain, the superlink, two supernodes, a superexec for each of these three, the serverapp
    assert len(processes) >= 9
    return processes


def assert_nothing_is_left(federation: Started, before: frozenset[Process]) -> None:
    assert not before & running_processes()
    assert not marked_processes(federation.mark)


@pytest.mark.parametrize(
    ("number", "exit_code", "sentence"),
    [
        pytest.param(
            signal.SIGTERM, 143, "tfedrs: Told to stop; everything that was started is stopped.", id="SIGTERM"
        ),
        pytest.param(signal.SIGINT, 130, "tfedrs: Interrupted; everything that was started is stopped.", id="SIGINT"),
    ],
)
def test_a_signal_while_training_stops_everything(
    tmp_path: Path, number: signal.Signals, exit_code: int, sentence: str
) -> None:
    with started([*ENDLESS, "--chain", "embedded"], tmp_path) as federation:
        before = wait_until_it_trains(federation)
        federation.process.send_signal(number)
        code, stderr = federation.wait()
    assert_nothing_is_left(federation, before)
    assert (code, tfedrs_says(stderr)) == (exit_code, [sentence])
    assert "Traceback" not in stderr


def test_a_dead_superlink_ends_the_run_with_the_name_of_its_log_and_how_to_go_on(tmp_path: Path) -> None:
    with started([*ENDLESS, "--chain", "auto"], tmp_path) as federation:
        before = wait_until_it_trains(federation)
        superlink = next(each for each in before if b"flower-superlink" in command_of(each))
        os.kill(superlink.pid, signal.SIGKILL)
        code, stderr = federation.wait()
    assert_nothing_is_left(federation, before)
    run = tmp_path / "run"
    (sentence,) = tfedrs_says(stderr)
    assert sentence.startswith("tfedrs: The superlink stopped during run ")
    log = run / "logs" / "superlink.log"
    assert sentence.endswith(f"(killed by SIGKILL): see {log}; go on with `tfedrs run --resume {run}`.")
    assert code == 3
    assert log.exists()


def test_a_serverapp_that_fails_ends_the_run_with_the_name_of_its_log(tmp_path: Path) -> None:
    with started([*ENDLESS, "--chain", "embedded"], tmp_path) as federation:
        wait_for((tmp_path / "run" / "tls").exists, federation)  # the coordinator's folder is complete by then
        (tmp_path / "run" / "coordinator" / "federation.json").write_text("{}")
        wait_for(lambda: len(marked_processes(federation.mark)) >= 5, federation)
        before = marked_processes(federation.mark)
        code, stderr = federation.wait(seconds=90)
    assert_nothing_is_left(federation, before)
    log = tmp_path / "run" / "logs" / "serverapp.log"
    (sentence,) = tfedrs_says(stderr)
    assert sentence.startswith("tfedrs: Run ")
    assert "federation.json cannot be read" in sentence
    assert f": see {log}; go on with `tfedrs run --resume " in sentence
    assert code == 3
    assert "federation.json cannot be read" in log.read_text()


def test_a_chain_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with started(["account", "payer"], tmp_path) as making:
        assert making.wait()[0] == 0
    with started([*ENDLESS, "--account", "payer"], tmp_path, TFEDRS_CHAIN_URL=url) as federation:
        code, stderr = federation.wait()
    assert not marked_processes(federation.mark)
    assert stderr == f"tfedrs: The chain at {url} does not answer; start its node, or name another with --chain.\n"
    assert code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["payer"]
