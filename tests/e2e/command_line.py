"""`tfedrs` as people start it: a process of its own, marked so that whatever it leaves behind is found."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launch.process_tree import marked_processes

TFEDRS = Path(sys.executable).with_name("tfedrs")
# Enough for every client to be scored by two others; what takes time in a real run is its processes.
SMALL = ("--clients", "3", "--rounds", "2", "--factors", "8", "--probe-pairs", "50")


@dataclass(frozen=True)
class Started:
    """A running `tfedrs` and the mark in its environment, which all its children inherit."""

    process: subprocess.Popen[str]
    mark: str

    def wait(self, seconds: float = 60) -> tuple[int, str]:
        """Return exit code and stderr."""
        _, stderr = self.process.communicate(timeout=seconds)
        return self.process.returncode, stderr


def environment(mark: str, **variables: str) -> dict[str, str]:
    """The tests' environment without a chain of its own, 80 columns wide, with a mark ("NAME=value")."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TFEDRS_CHAIN")}
    name, _, value = mark.partition("=")
    return {**kept, "COLUMNS": "80", name: value, **variables}


def new_mark() -> str:
    return f"TFEDRS_TEST={secrets.token_hex(8)}"


@contextmanager
def started(arguments: Sequence[str], folder: Path, **variables: str) -> Iterator[Started]:
    """Start `tfedrs`; a test that fails meanwhile leaves nothing running either."""
    mark = new_mark()
    process = subprocess.Popen(
        [TFEDRS, *arguments],
        cwd=folder,
        env=environment(mark, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Started(process, mark)
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=30)


def run_to_its_end(arguments: Sequence[str], folder: Path, seconds: float = 240, **variables: str) -> tuple[str, str]:
    """Run `tfedrs`, which must succeed and leave nothing running; return stdout and stderr."""
    mark = new_mark()
    done = subprocess.run(
        [TFEDRS, *arguments],
        cwd=folder,
        env=environment(mark, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    assert not marked_processes(mark)
    return done.stdout, done.stderr


def tfedrs_says(stderr: str) -> list[str]:
    """Return the sentences about errors; tables and progress stand before them."""
    return [line for line in stderr.splitlines() if line.startswith("tfedrs: ")]
