"""A process that is waiting for ever ends with the one that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from launch.process_tree import running_processes

ROOT = Path(__file__).parents[2]
CHILD = """
import threading
from server.orphan_watch import end_with_parent
end_with_parent()
print("watching", flush=True)
threading.Event().wait()
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
child.wait()
"""


def test_a_waiting_process_ends_with_its_parent_and_not_before() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "watching\n"
    time.sleep(1.5)
    assert child in {process.pid for process in running_processes()}
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 60
    while child in {process.pid for process in running_processes()}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    parent.stdout.close()
