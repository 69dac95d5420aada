"""A child process that a service stays with: it ends with its child, and its child with it."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from launch.termination import termination_raises

STOP_SECONDS = 8.0  # compose waits ten before it kills


@contextmanager
def foreground(
    command: Sequence[str], environment: Mapping[str, str], keep_open: Sequence[int] = ()
) -> Iterator[subprocess.Popen[str]]:
    """Start a program whose output, both streams, the caller reads; at the end of the block it is stopped.

    SIGTERM raises SystemExit inside the block.

    Args:
        command: The program and its arguments.
        environment: All of its variables.
        keep_open: File descriptors of this program that the child holds, too.
    """
    with (
        termination_raises(),
        subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=keep_open,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
