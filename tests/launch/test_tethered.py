"""What a killed launcher had started ends by itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.process_tree import running_processes
from launch.tethered import tethered

PROJECT = Path(__file__).resolve().parents[2]
LAUNCHER = """
import os, sys, time
from pathlib import Path
from launch.processes import Supervisor
with Supervisor() as supervisor:
    child = supervisor.start("child", [sys.executable, "-c", "import time; time.sleep(600)"],
                             environment=dict(os.environ), folder=Path("."), log=Path(sys.argv[1]))
    print(child.pid, flush=True)
    time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tethers processes")


def test_the_child_of_a_killed_launcher_is_told_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        child = int(launcher.stdout.readline())
        assert child in {process.pid for process in running_processes()}
        launcher.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while child in {process.pid for process in running_processes()}:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_program_whose_launcher_has_ended_already_is_not_started(tmp_path: Path) -> None:
    command = tethered([sys.executable, "-c", "open('started', 'w')"])
    command[command.index(str(os.getpid()))] = "1"
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 127
    assert not (tmp_path / "started").exists()


def test_a_program_gets_its_arguments_environment_and_exit_code(tmp_path: Path) -> None:
    program = "import os, sys; print(sys.argv[1:], os.environ['WORD']); sys.exit(7)"
    done = subprocess.run(
        tethered([sys.executable, "-c", program, "a b", "-x"]),
        env={**os.environ, "WORD": "kept"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, "['a b', '-x'] kept\n")
