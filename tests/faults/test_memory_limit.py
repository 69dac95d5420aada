"""A SuperLink that reaches its memory limit: it is refused memory, and not the machine; the federation stays up."""

import re
import threading
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from launch.fleet_proxy import LARGEST_BODY_MIB, nginx_program
from launch.processes import ChildProcess
from launch.silence import SILENT_SECONDS
from tests.faults.attacked_federation import attacked_federation, check_everybody_took_part, wait
from tests.faults.hostile_network import Seen, wait_for_threads, whole_bodies

try:
    nginx_program()
except EnvironmentFailure as failure:
    pytest.skip(str(failure), allow_module_level=True)

MOST_MIB = 420
"""With three nodes a SuperLink has some 210 (VmData)."""
AT_ONCE = 40  # twice what it may have


def data_mib(process: ChildProcess) -> int:
    """What the limit counts."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"^VmData:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) >> 10


@pytest.mark.timeout(1500)
def test_a_superlink_that_reaches_its_limit_is_refused_memory_and_the_federation_goes_on_or_says_so(
    tmp_path: Path,
) -> None:
    with attacked_federation(tmp_path, MOST_MIB << 20) as attacked:
        federation, seen, stop = attacked.federation, Seen(), threading.Event()
        nginx, superlink = federation.children
        log, most = tmp_path / "served" / "logs" / "superlink.log", [data_mib(superlink)]
        assert most[0] < MOST_MIB / 1.5  # it has room for what is not an attack

        def refused() -> bool:
            most[0] = max(most[0], data_mib(superlink))
            return "MemoryError" in log.read_text()

        threads = whole_bodies(attacked.target, AT_ONCE, stop, seen, size=(LARGEST_BODY_MIB - 1) << 20)
        try:
            wait(refused, 300)
        finally:
            stop.set()
            wait_for_threads(threads, 200)
        assert most[0] <= MOST_MIB
        assert (nginx.poll(), superlink.poll()) == (None, None)  # nobody was killed for want of memory

        def all_back() -> bool:
            federation.raise_if_any_ended("under attack")
            try:
                return federation.control.online_nodes() >= attacked.nodes
            except EnvironmentFailure:
                return False

        try:
            wait(all_back, 2 * SILENT_SECONDS)
        except EnvironmentFailure as failure:
            assert re.search(r"for \d+ s, the superlink (does not answer|refuses)", str(failure))
            return
        with attacked.training("after") as report:
            check_everybody_took_part(report())
