"""Files that are either there whole or not at all, whatever moment the machine stops at."""

import errno
import os
import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from common.errors import EnvironmentFailure

_BESIDE = re.compile(r"\.(.+)\.[0-9a-f]{8}")
"""Names of files that were being written; 8 random digits, so that two writers never share one."""

_FULL, _READ_ONLY = "make room on that disk", "make that disk writable again"
_NOT_ALLOWED = "give this user the right to write there"
_WHAT_TO_DO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EIO: "check that disk",
}


def write_atomically(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write `data` as `opened_atomically` does.

    Args:
        path: The file; its folder is made where it is missing.
        data: Its whole content.
        private: Readable and writable by the owner alone (mode 600) from the first byte on.

    Raises:
        EnvironmentFailure: the disk is full, read-only or broken, or is not this user's to write; `path` is as it was.
    """
    with refusals_of_the_disk(path):
        _make_folder(path.parent)
        with opened_atomically(path, private=private) as file:
            file.write(data)


@contextmanager
def opened_atomically(path: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """Open a file beside `path`; at the end of the block flush it, rename it into place, and flush the name too.

    After the block the file outlives a power cut: without the last flush the rename might not, and a checkpoint would
    be older than what the ledger was told after it. A block that raises leaves `path` as it was.

    Args:
        path: The file, in a folder that is there.
        private: As for `write_atomically`.

    Raises:
        OSError: the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def remove_leftovers(folder: Path, names: Collection[str] | None = None) -> None:
    """Remove what a kill has left of `write_atomically` in a folder.

    Args:
        folder: Need not be there.
        names: Of the files whose leftovers are meant; None means all. Nobody may be writing these meanwhile.
    """
    with refusals_of_the_disk(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            beside = _BESIDE.fullmatch(path.name)
            if beside and (names is None or beside[1] in names) and path.is_file():
                path.unlink(missing_ok=True)


@contextmanager
def refusals_of_the_disk(path: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with the disk and what to do about it.

    Raises:
        EnvironmentFailure: an OSError of the block that speaks of the disk or of rights; others pass as they are.
    """
    try:
        yield
    except OSError as error:
        what_to_do = _WHAT_TO_DO.get(error.errno or 0)
        if what_to_do is None:
            raise
        raise EnvironmentFailure(
            f"{path} cannot be written ({error.strerror}); {what_to_do}, then start it again."
        ) from error


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each flushed, so that none of them is lost with what lies in it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network disks cannot flush a folder; they write names at once
            raise
    finally:
        os.close(descriptor)
