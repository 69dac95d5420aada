"""A child process that a service stays with: it ends with its child, and its child with it."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from launch.container.service_log import copy_log
from launch.termination import termination_raises

STOP_SECONDS = 8.0  # compose waits ten before it kills
_LAST_LINES_SECONDS = 1.0


@contextmanager
def foreground(
    command: Sequence[str], environment: Mapping[str, str], keep_open: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose output, both streams, goes to the container's log; at the end of the block it is stopped.

    SIGTERM raises SystemExit inside the block.

    Args:
        command: The program and its arguments.
        environment: All of its variables.
        keep_open: File descriptors of this program that the child holds, too.
    """
    reading, writing = os.pipe()
    with (
        termination_raises(),
        subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            pass_fds=keep_open,
        ) as process,
    ):
        os.close(writing)
        log = threading.Thread(target=_copy_all, args=(reading,), daemon=True)
        log.start()
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            # Not to the end of what is written: that is the end of the last process that the program has started, and
            # the container's own end, for which it waits, is what ends those.
            log.join(_LAST_LINES_SECONDS)


def _copy_all(reading: int) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        copy_log(lines)
