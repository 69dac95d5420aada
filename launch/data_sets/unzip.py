"""A zip file of somebody else's, unpacked into a folder: nothing outside it, and no more than it should hold."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from common.atomic_file import refusals_of_the_disk
from common.errors import CheckFailed

MOST_BYTES = 1 << 28
"""Of all files together, unpacked; MovieLens 1M has a tenth of it."""
MOST_FILES = 1000
# what zipfile raises for changed bytes, RuntimeError and NotImplementedError being its own for encryption and unknown
# compression; and what two files of one name, or a file named like a folder, come to
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, ValueError, LookupError, RuntimeError, NotImplementedError),
    *(FileExistsError, NotADirectoryError),
)


def unzip(archive: Path, inside: str, into: Path, most_bytes: int = MOST_BYTES) -> None:
    """Unpack the files that lie in one folder of the archive.

    Args:
        archive: The zip file.
        inside: The folder in it; "" for all of it.
        into: A folder that is there; what is unpacked keeps its names below `inside`.
        most_bytes: That are written. The archive's own claims are believed: zipfile stops at them.

    Raises:
        CheckFailed: a file would lie outside, is a link, there is too much, or the archive is damaged.
        EnvironmentFailure: the disk refuses.
    """
    with refusals_of_the_disk(into):
        try:
            with zipfile.ZipFile(archive) as opened:
                members = [member for member in opened.infolist() if not member.is_dir()]
                _check(archive, members, most_bytes)
                for member in members:
                    if PurePosixPath(member.filename).is_relative_to(inside):
                        path = into / PurePosixPath(member.filename).relative_to(inside)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        with opened.open(member) as source, path.open("xb") as file:
                            shutil.copyfileobj(source, file)
                            file.flush()
                            os.fsync(file.fileno())
        except _DAMAGED as error:
            raise CheckFailed(f"{archive} is damaged ({error}); fetch it again.") from error


def _check(archive: Path, members: list[zipfile.ZipInfo], most_bytes: int) -> None:
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or not path.parts:
            raise CheckFailed(f"{archive} has a file {member.filename!r}, which would lie outside; it is not unpacked.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise CheckFailed(f"{archive} has a link {member.filename!r}; it is not unpacked.")
    if len(members) > MOST_FILES or sum(member.file_size for member in members) > most_bytes:
        raise CheckFailed(f"{archive} has more than {MOST_FILES} files or {most_bytes:,} bytes; it is not unpacked.")
