"""Named arrays in one npz file: written whole or not at all, read without pickles."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from common.atomic_file import write_atomically
from common.errors import WrongUse

# what zipfile and numpy raise for changed bytes; RuntimeError is theirs for unknown compression and encryption
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write the arrays; equal arrays give equal bytes.

    The file is for its owner alone, since it may hold a client's interactions.
    """
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_atomically(path, file.getvalue(), private=True)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read every array of a file.

    Raises:
        WrongUse: the file is missing, damaged, or holds something other than plain arrays.
    """
    if not path.is_file():
        raise WrongUse(f"there is no file {path}: let the launcher write it, or check the path.")
    try:
        # from memory: given a path, numpy leaves the file open when it is not what it should be
        file = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise WrongUse(f"{path} is a single array, not an npz file: let the launcher write it again.")
        return {name: cast(NDArray[np.generic], file[name]) for name in file.files}
    except _DAMAGED as error:
        raise WrongUse(f"{path} cannot be read ({error}): let the launcher write it again.") from error
