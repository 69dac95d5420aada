"""Finding and reading the files of a data set, plain or compressed, under their official names."""

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import WrongUse

_SUFFIXES = ("", ".gz", ".xz")
_LONGEST_QUOTE = 60


@dataclass(frozen=True)
class SourceFile:
    """A file of a data set: where it is, its name without compression suffix, its uncompressed bytes."""

    path: Path
    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the uncompressed bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield (number from 1, text) of every line that is not blank, read as latin-1."""
        for number, line in enumerate(self.data.split(b"\n"), start=1):
            if line.strip():
                yield number, line.decode("latin-1").rstrip("\r")

    def malformed(self, line: int, expected: str, found: str) -> WrongUse:
        """Return the error for one line, counted from 1."""
        shown = found if len(found) <= _LONGEST_QUOTE else found[:_LONGEST_QUOTE] + "..."
        return WrongUse(f"{self.path}, line {line}: expected {expected}, found {shown!r}.")


def read_source(folder: Path, *names: str) -> SourceFile:
    """Read the first of these files that is there, plain, .gz or .xz.

    Raises:
        WrongUse: none is there, or the one found cannot be read.
    """
    source = read_optional_source(folder, *names)
    if source is None:
        raise WrongUse(f"there is no {' or '.join(names)} (plain, .gz or .xz) in {folder}: put the file there.")
    return source


def read_optional_source(folder: Path, *names: str) -> SourceFile | None:
    """Read the first of these files that is there, plain, .gz or .xz; None where there is none.

    Raises:
        WrongUse: the file found cannot be read.
    """
    for name in names:
        path = find_source(folder, name)
        if path is not None:
            return SourceFile(path, name, _read(path, str(path).removeprefix(str(folder / name))))
    return None


def find_source(folder: Path, *names: str) -> Path | None:
    """Return where the first of these files is, plain, .gz or .xz; None where there is none."""
    paths = (folder / (name + suffix) for name in names for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_exact_source(path: Path) -> SourceFile:
    """Read the file at this path, decompressed according to its suffix.

    Raises:
        WrongUse: it is not there or cannot be read.
    """
    if not path.is_file():
        raise WrongUse(f"there is no file {path}: check the path after 'csv:'.")
    suffix = path.suffix if path.suffix in _SUFFIXES else ""
    return SourceFile(path, path.name.removesuffix(suffix), _read(path, suffix))


def hashes_of(sources: Sequence[SourceFile | None]) -> dict[str, str]:
    """Map file names to the sha256 of their uncompressed bytes."""
    return {source.name: source.sha256 for source in sources if source is not None}


def _read(path: Path, suffix: str) -> bytes:
    try:
        stored = path.read_bytes()
        match suffix:
            case ".gz":
                return gzip.decompress(stored)
            case ".xz":
                return lzma.decompress(stored)
            case _:
                return stored
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:  # gzip's BadGzipFile is an OSError
        raise WrongUse(f"{path} cannot be read ({error}): download it again or check its rights.") from error
