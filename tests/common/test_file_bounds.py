"""What makes a reader of files work hardest, or promises most, is refused within the bounds that the code states.

Whatever else may be in them: `tests/fuzz`.
"""

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.account import KEYSTORE_FILE, PASSPHRASE_FILE, development_account, load_account, save_account
from common.data.array_file import MOST_MEMORY_PER_BYTE, load_arrays, save_arrays
from common.errors import WrongUse
from tests.peak_memory import peak_bytes

FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    save_account(development_account(1, 0), folder, development=True)
    return folder


DTYPES = st.sampled_from(["int32", "int64", "float32", "float64", "uint8", "U3", "bool", "complex64"])
EXTREME = st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 2**62, -(2**62) - 1, -(2**63), 2**63 - 1])


@st.composite
def any_array(draw: st.DrawFn) -> Any:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    with np.errstate(all="ignore"):
        values = np.array([draw(EXTREME) for _ in range(int(np.prod(shape)))], np.int64).astype(draw(DTYPES))
    return np.asarray(values.reshape(shape), order=draw(st.sampled_from(["C", "F"])))


@given(
    st.dictionaries(st.text(alphabet="abc", min_size=1, max_size=3), any_array().filter(lambda a: a.dtype.kind != "c"))
)
@FILES
def test_arrays_come_back_as_they_were_saved(tmp_path: Path, arrays: dict[str, Any]) -> None:
    save_arrays(tmp_path / "a.npz", arrays)
    again = load_arrays(tmp_path / "a.npz")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (again[name].dtype, again[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(again[name], array)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "costs",
    [
        {"n": 2**40},
        {"n": 2**20, "r": 2**20},
        {"p": 2**30},
        {"dklen": 2**40},
        {"n": 2.0**40},
        {"n": True},
        {"N": 2**40},
        {"n": -1},
    ],
)
def test_a_keystore_that_asks_for_all_memory_or_for_ever_is_refused(
    folder: Path, tmp_path: Path, costs: dict[str, Any]
) -> None:
    keystore = json.loads((folder / KEYSTORE_FILE).read_bytes())
    keystore["crypto"]["kdfparams"] |= costs
    (tmp_path / PASSPHRASE_FILE).write_text("anything")
    (tmp_path / KEYSTORE_FILE).write_text(json.dumps(keystore))
    with pytest.raises(WrongUse, match="cannot be opened"):
        load_account(tmp_path)


def npy(descr: str, shape: str, body: bytes = b"") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def overlapping(copies: int, size: int) -> bytes:
    """An archive whose directory lists one member again and again: a bomb that needs no compression."""
    data = zipped(("a.npy", npy("|u1", f"({size},)", bytes(size))))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = data[start:end] * copies
    tail = struct.pack("<4s4HIIH", b"PK\x05\x06", 0, 0, copies, copies, len(directory), start, 0)
    return data[:start] + directory + tail


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped(("a.npy", npy("<f8", "(1099511627776,)"))), "shape is impossible"),
        (zipped(("a.npy", npy("<f8", "(1099511627776, 1099511627776)"))), "shape is impossible"),
        (zipped(("a.npy", npy("<f8", "(0, 999999999999, 999999999999)"))), "shape is impossible"),
        (zipped(("a.npy", npy("<U999999", "(999999999,)"))), "not as long as its shape says"),
        (zipped(("a.npy", npy("|O", "(1,)", b"cos\nsystem\n"))), "not one of numbers or text"),
        (zipped(("a.npy", npy("<f8", "((((((((1,)))))))"))), "not one of numbers or text"),
        (zipped(("a.npy", npy("<f8", "(2,)", bytes(15)))), "not as long as its shape says"),
        (zipped(("a.npy", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED), "is compressed"),
        (zipped(("a.npy", bytes(5_000_000)), compression=zipfile.ZIP_BZIP2), "is compressed"),
        (zipped(("a.npy", bytes(5_000_000)), compression=zipfile.ZIP_LZMA), "is compressed"),
        (overlapping(1000, 100_000), "larger than the file"),
        (zipped(("a.npy", b"")), "does not begin as one"),
    ],
)
def test_a_bomb_of_arrays_is_refused_within_the_bound(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "bomb.npz"
    path.write_bytes(data)
    with pytest.raises(WrongUse, match=reason):
        load_arrays(path)
    assert peak_bytes(lambda: load_arrays(path), WrongUse) < MOST_MEMORY_PER_BYTE * len(data) + 100_000


def test_reading_arrays_stays_within_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    save_arrays(path, {"a": np.ones(1 << 22), "b": np.ones((3, 1 << 20), order="F")})
    assert peak_bytes(lambda: load_arrays(path)) < MOST_MEMORY_PER_BYTE * path.stat().st_size
