import os
import signal
import socket
import sys
import time

import pytest

from common.errors import EnvironmentFailure
from launch.process_tree import running_processes
from launch.processes import Supervisor, free_ports, require_free_port, wait_until

FOREVER = "import time; time.sleep(600)"
# Starts a child in a session of its own, says its number, and goes on, or ends at once.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep({seconds})
"""


@pytest.fixture
def start(tmp_path):
    def start(supervisor, program, name="child"):
        return supervisor.start(
            name,
            [sys.executable, "-c", program],
            environment=dict(os.environ),
            folder=tmp_path,
            log=tmp_path / f"{name}.log",
        )

    return start


def read_when_written(log):
    wait_until(lambda: log.exists() and log.read_text().endswith("\n"), "the log", watched=[], seconds=20)
    return log.read_text().strip()


def runs(pid):
    return pid in {process.pid for process in running_processes()}


def test_every_child_is_stopped_when_the_block_ends(start):
    with Supervisor() as supervisor:
        children = [start(supervisor, FOREVER, name) for name in ("one", "two")]
        assert [child.poll() for child in children] == [None, None]
    assert [child.poll() for child in children] == [-signal.SIGTERM] * 2


def test_every_child_is_stopped_when_the_block_fails(start):
    with pytest.raises(ZeroDivisionError), Supervisor() as supervisor:
        child = start(supervisor, FOREVER)
        raise ZeroDivisionError
    assert child.poll() == -signal.SIGTERM


def test_every_child_is_stopped_when_this_program_is_told_to_end(start):
    with pytest.raises(SystemExit), Supervisor() as supervisor:
        child = start(supervisor, FOREVER)
        os.kill(os.getpid(), signal.SIGTERM)
    assert child.poll() == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(start):
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {FOREVER}"
    with Supervisor() as supervisor:
        child = start(supervisor, stubborn)
        read_when_written(child.log)
        supervisor.stop(grace_seconds=0.2)
        assert child.poll() == -signal.SIGKILL


def test_one_child_can_be_stopped_alone_and_twice(start):
    with Supervisor() as supervisor:
        one, other = start(supervisor, FOREVER, "one"), start(supervisor, FOREVER, "other")
        one.stop()
        one.stop()
        assert one.poll() == -signal.SIGTERM
        assert other.poll() is None


def test_a_grandchild_in_a_session_of_its_own_is_stopped(start):
    with Supervisor() as supervisor:
        grandchild = int(read_when_written(start(supervisor, PARENT.format(seconds=600)).log))
        assert runs(grandchild)
    assert not runs(grandchild)


def test_a_grandchild_whose_parent_has_ended_is_stopped(start):
    with Supervisor() as supervisor:
        parent = start(supervisor, PARENT.format(seconds=0))
        grandchild = int(read_when_written(parent.log))
        wait_until(lambda: parent.poll() == 0, "the end of the parent", watched=[], seconds=20)
        assert runs(grandchild)
    assert not runs(grandchild)


def test_the_processes_of_others_are_left_alone(start):
    with Supervisor() as outer, Supervisor() as inner:
        mine, other = start(inner, FOREVER, "mine"), start(outer, FOREVER, "other")
        inner.stop()
        assert mine.poll() is not None
        assert other.poll() is None


def test_a_child_that_died_is_named_with_its_last_error_and_its_log(start):
    program = "print('INFO [uvicorn.error] up'); raise OSError('the disk is full')"
    with Supervisor() as supervisor:
        child = start(supervisor, program, "superlink")
        with pytest.raises(EnvironmentFailure) as failure:
            wait_until(lambda: False, "it", watched=[child], seconds=20)
    assert str(failure.value) == f"the superlink stopped while starting (OSError: the disk is full): see {child.log}"


def test_a_child_that_died_in_silence_is_named_with_its_exit_code(start):
    with Supervisor() as supervisor:
        child = start(supervisor, "raise SystemExit(7)")
        with pytest.raises(EnvironmentFailure, match=r"the child stopped while starting \(exit code 7\)"):
            wait_until(lambda: False, "it", watched=[child], seconds=20)


def test_a_child_that_was_killed_is_named_with_the_signal(start):
    with Supervisor() as supervisor:
        child = start(supervisor, FOREVER)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentFailure, match=r"the child stopped while starting \(killed by SIGKILL\)"):
            wait_until(lambda: False, "it", watched=[child], seconds=20)


def test_the_last_error_is_found_without_its_colours(start):
    with Supervisor() as supervisor:
        child = start(supervisor, r"print('\x1b[91mERROR\x1b[0m: no room\n', 'Exiting')")
        wait_until(lambda: child.poll() == 0, "its end", watched=[], seconds=20)
        assert child.last_error() == "ERROR: no room"


def test_waiting_ends_with_one_sentence(start):
    with Supervisor() as supervisor:
        child = start(supervisor, FOREVER)
        begun = time.monotonic()
        with pytest.raises(EnvironmentFailure, match=r"^the node is not up after 0\.2 s: see .*child\.log$"):
            wait_until(lambda: False, "the node", watched=[child], seconds=0.2)
        assert time.monotonic() - begun < 5


def test_a_missing_program_is_one_sentence(tmp_path):
    with Supervisor() as supervisor, pytest.raises(EnvironmentFailure, match="the node cannot be started"):
        supervisor.start("node", ["/no/such"], environment={}, folder=tmp_path, log=tmp_path / "node.log")


def test_free_ports_differ_and_can_be_used():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        require_free_port(port)


def test_a_taken_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(EnvironmentFailure, match=rf"^port {port} of 127\.0\.0\.1 cannot be used .*choose another$"):
            require_free_port(port)
