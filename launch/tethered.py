"""Start a program that is told to end (SIGTERM) when the one that started it is gone, whatever ended that one.

    python -I -S tethered.py PARENT_PID PROGRAM ARGUMENT...

A `tfedrs` that was killed with SIGKILL stops nothing. What it had started would go on, hold the ports and the chain,
and write to a run that somebody resumes. Linux alone offers this; elsewhere programs are started as they are.

This file is run by itself, without the project and without site-packages: it takes some 20 ms and becomes the program.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_SIGTERM = 15
_NO_PROGRAM = 127


def tethered(command: "Sequence[str]") -> list[str]:
    """Return the command that starts `command` tethered to this process."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _main(parent_pid: int, command: list[str]) -> None:
    import ctypes  # noqa: PLC0415 - who only asks for the command does not need it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM)
    if os.getppid() != parent_pid:  # it ended before the line above
        sys.exit(_NO_PROGRAM)
    os.execvpe(command[0], command, os.environ)  # noqa: S606 - no shell


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
