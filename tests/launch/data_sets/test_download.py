"""A download against a real server: resumed, checked, bounded, and one sentence for whatever goes wrong."""

import fcntl
import hashlib
import random
import resource
import socket
import time
from pathlib import Path

import pytest

from common.errors import CheckFailed, EnvironmentFailure, TfedrsError, WrongUse
from launch.certificates import write_certificates
from launch.data_sets.download import TRIES, download
from launch.processes import free_ports
from tests.launch.data_sets.file_server import FileServer, serving

CONTENT = random.Random(1).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def get(
    server: FileServer,
    into: Path,
    *,
    sha256: str = SHA256,
    length: int | None = len(CONTENT),
    timeout_seconds: float = 5.0,
) -> list[tuple[int, int | None]]:
    said: list[tuple[int, int | None]] = []
    download(server.url, into, sha256, length, lambda done, total: said.append((done, total)), timeout_seconds)
    return said


def failure(error: type[TfedrsError], server: FileServer, into: Path, **given: object) -> str:
    with pytest.raises(error) as caught:
        get(server, into, **given)  # type: ignore[arg-type]
    assert not into.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def part_of(into: Path) -> Path:
    return into.with_name(f"{into.name}.part")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "file.zip"


@pytest.mark.parametrize("length", [len(CONTENT), None])
@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_is_written_whole_and_its_progress_is_told(into: Path, length: int | None, says_length: bool) -> None:
    with serving(FileServer(CONTENT, says_length=says_length)) as server:
        said = get(server, into, length=length)
    assert into.read_bytes() == CONTENT
    assert server.asked == [None]
    assert said[0][0] == 0
    assert [done for done, _ in said] == sorted(done for done, _ in said)
    assert said[-1] == (len(CONTENT), len(CONTENT) if length or says_length else None)
    assert list(into.parent.iterdir()) == [into]


def test_a_cut_connection_goes_on_where_it_was_cut(into: Path) -> None:
    with serving(FileServer(CONTENT, cuts=(1000, 200_000))) as server:
        said = get(server, into)
    assert into.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=201000-"]
    assert said[-1] == (len(CONTENT), len(CONTENT))


def test_the_next_call_goes_on_where_one_gave_up(into: Path) -> None:
    with serving(FileServer(CONTENT, cuts=(1000,) * TRIES)) as server:
        sentence = failure(EnvironmentFailure, server, into)
        assert f"did not come in {TRIES} tries" in sentence
        assert "after the 5,000 bytes that are here" in sentence
        assert part_of(into).stat().st_size == 5000
        get(server, into)
    assert into.read_bytes() == CONTENT
    assert server.asked[TRIES] == "bytes=5000-"
    assert not part_of(into).exists()


def test_a_server_that_knows_no_ranges_gives_the_file_anew(into: Path) -> None:
    with serving(FileServer(CONTENT, ranges=False, cuts=(1000,))) as server:
        get(server, into)
    assert into.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-"]


@pytest.mark.parametrize("length", [len(CONTENT), None])
def test_a_part_of_another_file_is_noticed_and_fetched_as_a_whole(into: Path, length: int | None) -> None:
    into.parent.mkdir()
    part_of(into).write_bytes(b"something else")
    with serving(FileServer(CONTENT)) as server:
        get(server, into, length=length)
    assert into.read_bytes() == CONTENT
    assert server.asked == ["bytes=14-", None]


def test_a_part_that_is_longer_than_the_file_is_fetched_as_a_whole(into: Path) -> None:
    into.parent.mkdir()
    with serving(FileServer(CONTENT)) as server:
        for length in (len(CONTENT), None):
            part_of(into).write_bytes(bytes(len(CONTENT) + 1))
            get(server, into, length=length)
            assert into.read_bytes() == CONTENT
            into.unlink()
    assert server.asked == [None, f"bytes={len(CONTENT) + 1}-", None]


@pytest.mark.parametrize(("length", "asked"), [(len(CONTENT), []), (None, [f"bytes={len(CONTENT)}-"])])
def test_a_whole_part_is_not_fetched_again(into: Path, length: int | None, asked: list[str]) -> None:
    into.parent.mkdir()
    part_of(into).write_bytes(CONTENT)
    with serving(FileServer(CONTENT)) as server:
        get(server, into, length=length)
    assert into.read_bytes() == CONTENT
    assert server.asked == asked


def test_a_file_that_is_there_is_not_fetched_again(into: Path) -> None:
    into.parent.mkdir()
    into.write_bytes(CONTENT)
    with serving(FileServer(CONTENT)) as server:
        get(server, into)
    assert server.asked == []


def test_a_server_that_gives_the_wrong_part_is_asked_for_the_whole(into: Path) -> None:
    with serving(FileServer(CONTENT, cuts=(1000,), first_byte=500)) as server:
        get(server, into)
    assert into.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", None]


def test_a_wrong_checksum_leaves_nothing(into: Path) -> None:
    with serving(FileServer(CONTENT[:-1] + b"x")) as server:
        sentence = failure(CheckFailed, server, into)
    assert f"should be {SHA256}" in sentence
    assert not part_of(into).exists()


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_of_another_length_leaves_nothing(into: Path, says_length: bool) -> None:
    with serving(FileServer(CONTENT, says_length=says_length)) as server:
        assert "nothing of it was kept" in failure(CheckFailed, server, into, length=1000)
        assert not part_of(into).exists()


def test_a_file_that_ends_too_early_is_not_taken_for_the_whole(into: Path) -> None:
    with serving(FileServer(CONTENT[:1000], says_length=False, ranges=False)) as server:
        assert "it ended after 1,000 of 300,000 bytes" in failure(EnvironmentFailure, server, into)


def test_a_file_without_a_known_length_is_bounded(into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launch.data_sets.download.MOST_BYTES", 1000)
    for says_length in (True, False):
        with serving(FileServer(CONTENT, says_length=says_length)) as server:
            assert "1,000" in failure(CheckFailed, server, into, length=None)


@pytest.mark.parametrize("status", [404, 403, 500, 503])
def test_an_error_of_the_server_is_one_sentence(into: Path, status: int) -> None:
    with serving(FileServer(b"a page about the error", status=status)) as server:
        sentence = failure(EnvironmentFailure, server, into, length=None)
    assert f"cannot be had ({status} " in sentence
    assert server.asked == [None]
    assert list(into.parent.iterdir()) == []


@pytest.mark.parametrize("hangs_after", [-1, 0, 1000])
def test_a_server_that_falls_silent_is_given_up(into: Path, hangs_after: int) -> None:
    start = time.monotonic()
    with serving(FileServer(CONTENT, hangs_after=hangs_after)) as server:
        sentence = failure(EnvironmentFailure, server, into, timeout_seconds=0.1)
    assert "no answer for 0.1 s" in sentence
    assert time.monotonic() - start < 20
    kept = part_of(into).stat().st_size if part_of(into).exists() else 0
    assert kept == max(0, hangs_after) * TRIES


def test_no_network_is_one_sentence(into: Path) -> None:
    (port,) = free_ports(1)
    sentence = failure(EnvironmentFailure, FileServer(b"", url=f"http://127.0.0.1:{port}/x"), into)
    assert sentence.startswith("127.0.0.1 cannot be reached (")
    assert "connect this machine to the network" in sentence
    sentence = failure(EnvironmentFailure, FileServer(b"", url="https://no-such-host.invalid/x"), into)
    assert sentence.startswith("no-such-host.invalid cannot be reached (")


def test_a_host_that_never_answers_is_asked_once(into: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/x"
        start = time.monotonic()
        sentence = failure(EnvironmentFailure, FileServer(b"", url=url), into, timeout_seconds=1.0)
        assert time.monotonic() - start < 4
    assert sentence.startswith("127.0.0.1 cannot be reached (")
    assert "connect this machine to the network" in sentence


def test_only_one_process_writes(into: Path) -> None:
    into.parent.mkdir()
    with part_of(into).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "by another tfedrs" in failure(WrongUse, FileServer(b"", url="http://127.0.0.1:9/"), into)


def test_a_full_disk_is_one_sentence_and_keeps_what_came(into: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(FileServer(CONTENT)) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            sentence = failure(EnvironmentFailure, server, into)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "make room on that disk" in sentence
        kept = part_of(into).stat().st_size
        assert 0 < kept <= 100_000
        get(server, into)
    assert server.asked == [None, f"bytes={kept}-"]
    assert into.read_bytes() == CONTENT


def test_redirections_are_followed_but_not_for_ever(into: Path) -> None:
    with serving(FileServer(CONTENT, cuts=(1000,))) as server:
        with serving(FileServer(b"", leads_to=server.url)) as first:
            get(first, into)
        assert into.read_bytes() == CONTENT
        assert server.asked == [None, "bytes=1000-"]
    with serving(FileServer(b"")) as server:
        server.leads_to = server.url
        assert "without end" in failure(EnvironmentFailure, server, into.with_name("other"))


def test_https_needs_a_certificate_that_holds_and_leads_nowhere_else(
    into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_certificates(tmp_path / "tls")
    shown = (made.certificate, made.key)
    with serving(FileServer(CONTENT), shown) as server:
        sentence = failure(EnvironmentFailure, server, into)
        assert "check this machine's clock and certificate authorities" in sentence
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        get(server, into)
        assert into.read_bytes() == CONTENT
        with serving(FileServer(CONTENT)) as plain, serving(FileServer(b"", leads_to=plain.url), shown) as leading:
            sentence = failure(EnvironmentFailure, leading, into.with_name("other"))
            assert "is not https" in sentence
            assert plain.asked == []
