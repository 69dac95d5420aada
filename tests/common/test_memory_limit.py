"""A process that is limited gets no more memory, and one that it starts can lift the limit for itself."""

import subprocess
import sys

import pytest

from common.memory_limit import limit_memory
from launch.workspace import PROJECT_ROOT

MOST = 256 << 20
ASKS = """\
import subprocess, sys
sys.stdin.read(1)
{lift}
try:
    bytearray(512 << 20)
except MemoryError:
    print("refused")
else:
    print("given")
"""
LIFT = "from common.memory_limit import lift_memory_limit; lift_memory_limit()"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot limit another process")
@pytest.mark.parametrize(("lift", "answer"), [("", "refused"), (LIFT, "given")])
def test_a_limited_process_gets_no_more_memory_unless_it_lifts_the_limit(lift: str, answer: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ASKS.format(lift=lift)],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        limit_memory(process.pid, MOST)
        said, _ = process.communicate("x", timeout=60)
    assert said.strip() == answer
