import os
import stat
from pathlib import Path

import pytest

from common import atomic_file
from common.atomic_file import write_atomically


class Interrupted(BaseException):
    """Not an Exception, as Ctrl-C is not."""


@pytest.mark.parametrize("step", ["fdopen", "fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_content_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise Interrupted

    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(Path if step == "replace" else atomic_file.os, step, interrupt)
    with pytest.raises(Interrupted):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_the_whole_content_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state.json"
    write_atomically(path, b"a longer old content")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    synced: list[bytes] = []

    def fsync(descriptor: int) -> None:
        assert not path.exists()
        synced.append(os.pread(descriptor, 100, 0) if os.fstat(descriptor).st_size else b"")

    monkeypatch.setattr(atomic_file.os, "fsync", fsync)
    monkeypatch.setattr(atomic_file.os, "O_WRONLY", os.O_RDWR)  # so that this test can read it back
    write_atomically(path, b"new")
    assert synced == [b"new"]


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_a_private_file_is_private_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private: bool, mode: int
) -> None:
    modes: list[int] = []
    monkeypatch.setattr(
        atomic_file.os, "fsync", lambda descriptor: modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
    )
    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "key", b"secret", private=private)
    finally:
        os.umask(before)
    assert modes == [mode]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == mode
