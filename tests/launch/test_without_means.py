"""The tests that need more than Python say in one line why they are not run, and are no failure."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOUND_EVERYWHERE = ("basename", "bash", "dirname", "id", "mktemp", "rm")


def say_without(script: str, tmp_path: Path) -> str:
    """What a script says where only the simplest programs are found; asserts that it ends well and leaves nothing."""
    programs, scratch = tmp_path / "programs", tmp_path / "scratch"
    programs.mkdir()
    scratch.mkdir()
    for name in _FOUND_EVERYWHERE:
        (programs / name).symlink_to(shutil.which(name) or name)
    environment = {"PATH": str(programs), "TMPDIR": str(scratch)}
    command = [str(programs / "bash"), script]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, list(scratch.iterdir())) == (0, "", [])
    return done.stdout


def test_without_an_engine_the_compose_test_says_so(tmp_path: Path) -> None:
    reason = "apt-get cannot install one" if os.geteuid() == 0 else "only root can start one"
    assert say_without("tests/compose/run.sh", tmp_path) == (
        f"docker compose is not tested: no Docker engine answers, and {reason}.\n"
    )


def test_without_iproute2_the_test_of_machines_says_so(tmp_path: Path) -> None:
    reason = "ip is not here" if os.geteuid() == 0 else "only root can make network namespaces"
    assert say_without("tests/machines.sh", tmp_path) == f"Separate machines are not tested: {reason}.\n"
