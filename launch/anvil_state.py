"""Anvil's state on disk, of which there is always a whole one.

Once a second, and when it is told to end, Anvil cuts its file to nothing and writes it anew, in place, and flushes
nothing (strace, 1.7.1). A kill in between, a power cut or a full disk leaves a torn file, on which it does not start.
So whoever starts Anvil keeps a copy beside it, of the last state that was whole.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import stat_result
from pathlib import Path

from common.atomic_file import remove_leftovers, write_atomically
from common.errors import EnvironmentFailure

STATE_FILE = "anvil-state.json"
COPY_FILE = "anvil-state.whole.json"
LOOK_SECONDS = 0.5
_STILL_SECONDS = 0.1
"""A file that is written again within this gets another time of change, so it can be seen that it was not."""


@contextmanager
def whole_copy_kept(folder: Path) -> Iterator[None]:
    """Inside, copy the state of the Anvil in `folder` whenever it has changed and is whole.

    The copy is older than the chain by what lies between two writes of Anvil's, and LOOK_SECONDS. A disk that takes no
    copy is left to those who write what counts: they say so.
    """
    over = threading.Event()

    def follow() -> None:
        copied = b""
        while not over.wait(LOOK_SECONDS):
            state = _read_still(folder / STATE_FILE, over)
            if state is not None and state != copied and is_whole(state):
                with suppress(EnvironmentFailure):
                    write_atomically(folder / COPY_FILE, state)
                    copied = state

    thread = threading.Thread(target=follow, name="anvil-state", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def mend_state(folder: Path) -> str:
    """Put the copy into the place of a state that cannot be read; to be called before Anvil is started.

    Returns:
        A sentence about it; "" where there is nothing to mend.

    Raises:
        EnvironmentFailure: there is no whole copy either.
    """
    state, copy = folder / STATE_FILE, folder / COPY_FILE
    remove_leftovers(folder, (COPY_FILE, STATE_FILE))
    if not state.exists() or is_whole(state.read_bytes()):
        return ""
    with suppress(FileNotFoundError):
        older = copy.read_bytes()
        if is_whole(older):
            write_atomically(state, older)
            return f"Anvil was cut off while it wrote {state}; the copy beside it, some seconds older, takes its place."
    raise EnvironmentFailure(
        f"Anvil was cut off while it wrote {state}, and there is no whole copy beside it: start a new run, or restore "
        "it from a backup."
    )


def is_whole(state: bytes) -> bool:
    """Tell whether this is all that Anvil writes, and not the beginning of it."""
    try:
        json.loads(state)
    except ValueError:
        return False
    return True


def _read_still(path: Path, over: threading.Event) -> bytes | None:
    """Read a file that nobody writes meanwhile; None where somebody does, or where there is none."""
    try:
        before = path.stat()
        if over.wait(_STILL_SECONDS):
            return None
        content = path.read_bytes()
        return content if _mark(path.stat()) == _mark(before) else None
    except OSError:
        return None


def _mark(found: stat_result) -> tuple[int, int, int]:
    return found.st_mtime_ns, found.st_size, found.st_ino
