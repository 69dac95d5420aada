import os
import signal
import sys
import time
from functools import partial

import pytest

from common.errors import EnvironmentFailure
from launch import kept_nodes
from launch.kept_nodes import KeptNodes
from launch.processes import Supervisor, wait_until

FOREVER, AT_ONCE = "import time; time.sleep(600)", "print('no such key'); raise SystemExit(2)"


@pytest.fixture
def supervisor():
    with Supervisor() as supervisor:
        yield supervisor


def starting(supervisor, tmp_path, program, name="supernode-00"):
    return partial(
        supervisor.start,
        name,
        [sys.executable, "-c", program],
        environment=dict(os.environ),
        folder=tmp_path,
        log=tmp_path / f"{name}.log",
    )


def test_a_node_that_was_killed_is_started_again_after_a_pause_and_said_once(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_nodes, "PAUSE_SECONDS", 0.3)
    said = []
    starts = [starting(supervisor, tmp_path, FOREVER, name) for name in ("supernode-00", "supernode-01")]
    children = [start() for start in starts]
    kept = KeptNodes(starts, children, said.append)
    kept.look("during run 7")
    assert len(supervisor.children) == 2
    os.kill(children[1].pid, signal.SIGKILL)
    wait_until(lambda: children[1].poll() is not None, "the end", watched=[], seconds=20)
    kept.look("during run 7")
    assert len(supervisor.children) == 2  # not yet
    assert said == ["the supernode-01 stopped during run 7 (killed by SIGKILL); it is started again."]
    time.sleep(0.4)
    for _ in range(2):
        kept.look("during run 7")
        assert [child.name for child in supervisor.children] == ["supernode-00", "supernode-01", "supernode-01"]
    assert len(said) == 1


def test_a_node_that_ends_again_and_again_is_given_up_with_its_last_words(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_nodes, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(kept_nodes, "TRIES", 3)
    said = []
    start = starting(supervisor, tmp_path, AT_ONCE)
    kept = KeptNodes([start], [start()], said.append)

    def given_up() -> bool:
        kept.look("during run 7")
        return False

    with pytest.raises(
        EnvironmentFailure, match=r"^the supernode-00 stopped during run 7 \(no such key\): see .*supernode-00\.log$"
    ):
        wait_until(given_up, "nothing", watched=[], seconds=60)
    assert len(supervisor.children) == 1 + 3
    assert len(said) == 1
