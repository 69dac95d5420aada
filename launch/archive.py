"""A tar file for its owner alone, with a list of what must be in it; read back whole or not at all."""

import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from common.atomic_file import opened_atomically
from common.bounded_json import parse_json
from common.errors import CheckFailed, WrongUse

MANIFEST = "backup.json"
FORMAT = 1
_MOST_MANIFEST_BYTES = 1 << 28


class ArchiveWriter:
    """Adds files; `begin_again` forgets those that were added so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._tar = _new_tar(file)
        self._sums: dict[str, str] = {}

    def add(self, path: Path, name: str) -> None:
        """Add a file as it is now, with its mode and its time.

        Raises:
            FileNotFoundError: it has gone.
        """
        with path.open("rb") as source:
            found = os.fstat(source.fileno())
            content = source.read()
        self._put(name, content, found.st_mode & 0o777, found.st_mtime)
        self._sums[name] = hashlib.sha256(content).hexdigest()

    def begin_again(self) -> None:
        """Forget everything."""
        self._file.seek(0)
        self._file.truncate()
        self._tar = _new_tar(self._file)
        self._sums.clear()

    def finish(self, about: dict[str, Any]) -> int:
        """Add the list of everything, with what is to be known about it; return the number of files."""
        record = about | {"format": FORMAT, "files": self._sums}
        self._put(MANIFEST, json.dumps(record, indent=1).encode(), 0o600, time.time())
        self._tar.close()
        return len(self._sums)

    def _put(self, name: str, content: bytes, mode: int, modified: float) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = len(content), mode, int(modified)
        self._tar.addfile(entry, io.BytesIO(content))


def _new_tar(file: IO[bytes]) -> tarfile.TarFile:
    return tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)


@contextmanager
def new_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write an archive of mode 600 that is at `path` whole, or not at all.

    Raises:
        WrongUse: there is such a file already, or the folder is not there.
    """
    if path.exists():
        raise WrongUse(f"{path} exists already; choose another file.")
    if not path.absolute().parent.is_dir():
        raise WrongUse(f"{path.parent} is no folder; make it, or choose another file.")
    with opened_atomically(path, private=True) as file:
        yield ArchiveWriter(file)


def unpack(archive: Path, into: Path) -> dict[str, Any]:
    """Unpack an archive into a new folder, after everything in it was compared with its list.

    Args:
        archive: As `new_archive` wrote it.
        into: Not there yet, or empty.

    Returns:
        What `finish` was told about it, and its list.

    Raises:
        WrongUse: `into` holds something, or the archive cannot be read.
        CheckFailed: a file is missing, was altered, is a link, or would lie outside the folder; nothing is left.
    """
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise WrongUse(f"{into} is there already; choose a folder that is new or empty.")
    into.absolute().parent.mkdir(parents=True, exist_ok=True)
    partial = into.absolute().with_name(f".{into.name}.{secrets.token_hex(4)}")
    partial.mkdir(mode=0o700)
    try:
        about = _unpack(archive, partial)
        (partial / MANIFEST).unlink()
        with suppress(FileNotFoundError):
            into.rmdir()
        partial.replace(into)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return about


def _unpack(archive: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(archive, mode="r:") as tar:  # never compressed: its size is what it takes on the disk
            for entry in tar:
                if not entry.isreg():
                    raise CheckFailed(f"{entry.name} in {archive} is no plain file; take another backup.")
                tar.extract(entry, folder, filter="data")
    except OSError as error:
        raise WrongUse(
            f"{archive} cannot be read ({error.strerror or error}); give a file of `tfedrs backup`."
        ) from error
    except tarfile.FilterError as error:
        raise CheckFailed(f"{archive} was not made by `tfedrs backup` ({error}); take another one.") from error
    except tarfile.TarError as error:
        raise CheckFailed(f"{archive} is damaged ({error}); take another backup.") from error
    return _checked(archive, folder)


def _checked(archive: Path, folder: Path) -> dict[str, Any]:
    manifest = folder / MANIFEST
    try:
        if manifest.stat().st_size > _MOST_MANIFEST_BYTES:
            raise ValueError("its list is too long")
        about = parse_json(manifest.read_bytes())
        if about["format"] != FORMAT:
            raise ValueError(f"it has format {about['format']!r}, not {FORMAT}")
        wanted = {str(name): str(digest) for name, digest in about["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckFailed(f"{archive} is no whole backup ({error}); take another one.") from error
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    for name in sorted(found ^ wanted.keys()):
        raise CheckFailed(f"{archive} is damaged: {name} is {'not listed' if name in found else 'missing'}.")
    for name, digest in sorted(wanted.items()):
        if _sha256(folder / name) != digest:
            raise CheckFailed(f"{archive} is damaged: {name} was altered; take another backup.")
    return dict(about)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
