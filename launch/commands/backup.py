"""`tfedrs backup` and `tfedrs restore`: a federation or a participant in one file, also while a run goes on.

What a run may be killed at any moment and go on from, is what a backup holds: the state of one moment. The files that
change (checkpoint, evidence, what was received, rewards, chain, clients' replies) are read first, and read again if one
of them has changed meanwhile. Objects, which are named by their content and never change, follow.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure, WrongUse
from launch.anvil import STATE_INTERVAL_SECONDS
from launch.anvil_state import COPY_FILE, STATE_FILE, is_whole
from launch.archive import ArchiveWriter, new_archive, unpack
from launch.participant_folder import PARTICIPANT_FILE
from server.federation import FEDERATION_FILE, load_federation
from server.only_run import only_run
from server.run_status import STATUS_FILE

TRIES = 60
PAUSE_SECONDS = 0.5
QUIET_SECONDS = 2.5 * STATE_INTERVAL_SECONDS
"""Anvil's file is older than its chain by so much at most; what came before is in it."""
GIVEN = "given-ledger"
"""In the archive: the contracts' addresses and rewards of a run with --deployment, which lie elsewhere."""
_LEFT_OUT = ("flower", "served", "work", "logs", "superlink.db", STATUS_FILE, "run.lock")
_OBJECT = re.compile(r"(runs/[^/]+/)?objects/(updates/)?[0-9a-f]{64}")


def backup(folder: Path, out: Path) -> dict[str, Any]:
    """Write everything that is needed to go on elsewhere into one file of mode 600, keys included.

    Args:
        folder: The folder with `coordinator/` in it, that folder itself, or a participant's folder.
        out: The file.

    Returns:
        kind ("federation" or "participant"), file, files, bytes, tries, and whether a run went on.

    Raises:
        WrongUse: the folder is neither, or `out` exists or lies inside it.
        EnvironmentFailure: the files change faster than they are read.
    """
    home, kind = _home_of(folder.resolve())
    if out.resolve().is_relative_to(home):
        raise WrongUse(f"{out} would lie in the folder that it is a backup of; choose a file outside {home}.")
    coordinator = home / "coordinator"
    with new_archive(out) as archive, ExitStack() as lock:
        live = False
        if kind == "federation":
            try:
                lock.enter_context(only_run(coordinator))  # nobody begins a run meanwhile
            except WrongUse:
                live = True
        tries = _add_moment(archive, home)
        for name, path in _selected(home):
            if _OBJECT.fullmatch(name):
                archive.add(path, name)
        files = archive.finish({"kind": kind, "made": time.time(), "from": str(home)})
    size = out.stat().st_size
    return {"kind": kind, "file": str(out), "files": files, "bytes": size, "tries": tries, "run_went_on": live}


def restore(archive: Path, into: Path) -> dict[str, Any]:
    """Write a backup's files into a new folder.

    Returns:
        kind, folder, made (Unix time in seconds), and given_ledger: the rewards of a ledger that lay elsewhere.

    Raises:
        WrongUse: the folder is not empty, or the archive cannot be read.
        CheckFailed: the archive is damaged; nothing is left of it.
    """
    about = unpack(archive, into)
    given = into / GIVEN
    return {
        "kind": str(about.get("kind")),
        "folder": str(into),
        "made": about.get("made"),
        "given_ledger": str(given) if given.is_dir() else None,
    }


def _add_moment(archive: ArchiveWriter, home: Path) -> int:
    """Add the files that change as they were at one moment; return how many tries it took."""
    for attempt in range(1, TRIES + 1):
        before = _marks(home)
        if _settled_down(home, before):
            with suppress(FileNotFoundError):  # a reply of a round that is over: try again
                for name, path in _changing(home):
                    archive.add(path, name)
                if _marks(home) == before and _anvil_state_is_whole(home):
                    return attempt
            archive.begin_again()
        time.sleep(PAUSE_SECONDS)
    raise EnvironmentFailure(f"The files in {home} change faster than they are read; stop the run, and try again.")


def _changing(home: Path) -> Iterator[tuple[str, Path]]:
    for name, path in _selected(home):
        if not _OBJECT.fullmatch(name):
            yield name, path
    yield from _given(home)


def _marks(home: Path) -> dict[str, tuple[int, int, int]]:
    """Return what tells each changing file from a later state of it; Anvil's, rewritten every second, have none."""
    marks = {}
    for name, path in _changing(home):
        with suppress(FileNotFoundError):
            found = path.stat()
            marks[name] = (found.st_mtime_ns, found.st_size, found.st_ino)
    for name in (STATE_FILE, COPY_FILE):
        marks.pop(f"chain/{name}", None)
    return marks


def _settled_down(home: Path, marks: dict[str, tuple[int, int, int]]) -> bool:
    """Tell whether Anvil has had the time to write down what the other files already speak of."""
    if not (home / "chain" / STATE_FILE).exists():
        return True
    newest = max((changed for changed, _, _ in marks.values()), default=0)
    return time.time() - newest / 1e9 > QUIET_SECONDS


def _anvil_state_is_whole(home: Path) -> bool:
    """Tell whether Anvil was not just writing. What a kill has torn is mended from the copy beside it at a start."""
    state = home / "chain" / STATE_FILE
    try:
        if is_whole(state.read_bytes()):
            return True
        return (home / "chain" / COPY_FILE).exists() and time.time() - state.stat().st_mtime > QUIET_SECONDS
    except FileNotFoundError:
        return True


def _selected(home: Path) -> Iterator[tuple[str, Path]]:
    """Yield all files that a backup holds, by their names in it."""
    for place, folders, files in os.walk(home):
        inside = Path(place).relative_to(home)
        top = inside == Path()
        # certificates of the SuperLink on 127.0.0.1 are made at every start; those of coordinator/ are not
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not (top and name == "tls"))
        for name in sorted(files):
            path = Path(place) / name
            temporary = name.startswith(".") or name.endswith(".log") or name.startswith("superlink.db")
            if name not in _LEFT_OUT and not temporary and path.is_file() and not path.is_symlink():
                yield str(inside / name), path


def _given(home: Path) -> Iterator[tuple[str, Path]]:
    if not (home / "coordinator" / FEDERATION_FILE).exists():
        return
    federation = load_federation(home / "coordinator")
    if federation.given_deployment is None:
        return
    for path in (federation.given_deployment, federation.rewards_file):
        if path.exists():
            yield f"{GIVEN}/{path.name}", path


def _home_of(folder: Path) -> tuple[Path, str]:
    if (folder / PARTICIPANT_FILE).exists():
        return folder, "participant"
    for home in (folder, folder.parent):
        if (home / "coordinator" / FEDERATION_FILE).exists() and folder in (home, home / "coordinator"):
            return home, "federation"
    raise WrongUse(f"{folder} is no folder of a run, a coordinator or a participant; there is nothing to back up.")
