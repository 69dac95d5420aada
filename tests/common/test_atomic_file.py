import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from common import atomic_file
from common.atomic_file import remove_leftovers, write_atomically
from common.errors import EnvironmentFailure


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


def test_the_bytes_are_on_the_disk_before_the_name_is_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a" / "state.json"
    synced: list[tuple[str, bool]] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        content = "" if is_folder else os.pread(descriptor, 100, 0).decode()
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        synced.append((content or name, path.exists()))

    monkeypatch.setattr(atomic_file.os, "fsync", fsync)
    monkeypatch.setattr(atomic_file.os, "O_WRONLY", os.O_RDWR)  # so that this test can read it back
    write_atomically(path, b"new")
    assert synced == [(tmp_path.name, False), ("new", False), ("a", True)]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "(No space left on device); make room on that disk, then start it again."),
        (errno.EROFS, "(Read-only file system); make that disk writable again, then start it again."),
        (errno.EACCES, "(Permission denied); give this user the right to write there, then start it again."),
    ],
)
def test_a_refusal_of_the_disk_is_one_sentence_and_the_old_content_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    monkeypatch.setattr(atomic_file.os, "fsync", refuse)
    with pytest.raises(EnvironmentFailure) as failure:
        write_atomically(path, b"new")
    assert str(failure.value) == f"{path} cannot be written {sentence}"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_too_large_for_its_limit_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(EnvironmentFailure, match=r"\(File too large\); make room on that disk"):
            write_atomically(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_cannot_flush_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(atomic_file.os, "fsync", fsync)
    write_atomically(tmp_path / "state.json", b"new")
    assert (tmp_path / "state.json").read_bytes() == b"new"


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    kept = {".state.json", "state.json.0123abcd", ".env.local", ".other.txt.0123abcd"}
    for name in (*kept, ".state.json.0123abcd", ".state.json.ffffffff"):
        (tmp_path / name).write_bytes(b"x")
    remove_leftovers(tmp_path, ("state.json",))
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept - {".other.txt.0123abcd"}
    remove_leftovers(tmp_path / "missing")


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
    assert modes[0] == mode
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == mode
