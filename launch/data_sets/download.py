"""One file over HTTP: it goes on where an earlier download stopped, and is checked before it counts."""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedRandom
from pathlib import Path

import httpx

from common.atomic_file import refusals_of_the_disk
from common.errors import CheckFailed, EnvironmentFailure, WrongUse

TIMEOUT_SECONDS = 30.0
"""For a connection, and for the next bytes of an answer."""
TRIES = 5
"""Of one call: connections that may break or give no answer."""
MOST_BYTES = 1 << 30
"""Of a file whose length nobody has recorded."""
_MOST_REDIRECTIONS = 5
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")

OnProgress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many, where that is known."""


class _Broken(Exception):
    """This answer does not give the rest; another one may."""


def download(
    url: str,
    into: Path,
    sha256: str,
    length: int | None,
    on_progress: OnProgress,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Write the file to `into`, which is there only once its checksum agrees.

    What has come so far is kept in a `.part` file beside it. After a connection that broke this call goes on from
    there, and so does the next call. A file that was put together from parts and is not the right one is fetched once
    more as a whole.

    Args:
        url: With https:, no redirection leads to anything else.
        into: The file; its folder is made where it is missing.
        sha256: Of the whole file, in hexadecimal.
        length: Of the whole file in bytes, None where nobody knows; then `MOST_BYTES` is the bound.
        on_progress: Called after every chunk.
        timeout_seconds: Without an answer, or without the next bytes of one.

    Raises:
        EnvironmentFailure: no network, no answer, an error of the server, or the disk refuses.
        CheckFailed: it is not the file of this checksum or length; nothing is kept.
        WrongUse: another process is downloading it.
    """
    part = into.with_name(f"{into.name}.part")
    with refusals_of_the_disk(part):
        if into.is_file() and _sha256_at(into) == sha256:
            return  # a call that was killed before it could use the file
        with _opened_alone(part) as file:
            try:
                _complete(url, file, sha256, length, on_progress, timeout_seconds)
            except CheckFailed:
                part.unlink()
                raise
            except EnvironmentFailure:
                if not _size(file):
                    part.unlink()
                raise
            file.flush()
            os.fsync(file.fileno())
            part.replace(into)


@contextmanager
def _opened_alone(part: Path) -> Iterator[BufferedRandom]:
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("a+b") as file:  # every write goes to the end
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WrongUse(f"{part} is being written by another tfedrs; wait until it is done.") from error
        yield file


def _complete(
    url: str, file: BufferedRandom, sha256: str, length: int | None, on_progress: OnProgress, timeout_seconds: float
) -> None:
    """Fetch what is missing and compare the checksum."""
    resumed = _size(file) > 0
    _fetch(url, file, length, on_progress, timeout_seconds)
    found = _sha256(file)
    if found != sha256 and resumed:
        file.truncate(0)
        _fetch(url, file, length, on_progress, timeout_seconds)
        found = _sha256(file)
    if found != sha256:
        raise CheckFailed(
            f"{url} is not the file that is known: its sha256 is {found} and should be {sha256}; nothing of it was "
            "kept, so try again, and if it stays so ask whether there is a new release."
        )


def _fetch(url: str, file: BufferedRandom, length: int | None, on_progress: OnProgress, timeout_seconds: float) -> None:
    host, reason = httpx.URL(url).host, ""
    with httpx.Client(timeout=timeout_seconds) as client:
        for _ in range(TRIES):
            try:
                _append_rest(client, url, file, length, on_progress)
                return
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                what_to_do = (
                    "check this machine's clock and certificate authorities, or try later"
                    if "CERTIFICATE" in str(error)
                    else "connect this machine to the network, or set HTTPS_PROXY"
                )
                why = str(error) or f"no answer for {timeout_seconds:g} s"
                raise EnvironmentFailure(
                    f"{host} cannot be reached ({why}); {what_to_do}, then give the command again."
                ) from error
            except httpx.TimeoutException:
                reason = f"no answer for {timeout_seconds:g} s"
            except (httpx.HTTPError, _Broken) as error:
                reason = str(error) or type(error).__name__
    raise EnvironmentFailure(
        f"{url} did not come in {TRIES} tries ({reason}); give the command again later, and it goes on after the "
        f"{_size(file):,} bytes that are here."
    )


def _append_rest(
    client: httpx.Client, url: str, file: BufferedRandom, length: int | None, on_progress: OnProgress
) -> None:
    """Append what one answer gives of the rest.

    Raises:
        _Broken, httpx.HTTPError: it is not all of it.
    """
    start = _size(file)
    if length is not None and start >= length:
        if start == length:
            return
        file.truncate(0)
        start = 0
    with _answer(client, url, start) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            if _range(answer) == (None, start):
                return
            file.truncate(0)
            raise _Broken("the file has changed meanwhile")
        if not answer.is_success:
            raise EnvironmentFailure(
                f"{url} cannot be had ({answer.status_code} {answer.reason_phrase}); try again later, or look at the "
                "data set's own page, which `tfedrs data info` names."
            )
        total = _total(answer, file, start)
        if total is not None and (total != length if length is not None else total > MOST_BYTES):
            raise CheckFailed(f"{url} has {total:,} bytes, not {length or MOST_BYTES:,}; nothing of it was kept.")
        _write(answer, url, file, length or total, on_progress)


@contextmanager
def _answer(client: httpx.Client, url: str, start: int) -> Iterator[httpx.Response]:
    """Ask for the file from `start` on, and go where the server says."""
    # compressed on the way, neither lengths nor ranges would be those of the file
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    request = client.build_request("GET", url, headers=headers)
    for _ in range(_MOST_REDIRECTIONS):
        answer = client.send(request, stream=True)
        following = answer.next_request
        if following is None:
            try:
                yield answer
            finally:
                answer.close()
            return
        answer.close()
        if request.url.scheme == "https" != following.url.scheme:
            raise EnvironmentFailure(f"{url} leads to {following.url}, which is not https; it is not fetched.")
        request = following
    raise EnvironmentFailure(f"{url} leads from one address to the next without end; try again later.")


def _total(answer: httpx.Response, file: BufferedRandom, start: int) -> int | None:
    """Return the length of the whole file where the server gives it; empty `file` where it begins anew."""
    if start and answer.status_code == httpx.codes.PARTIAL_CONTENT:
        first, total = _range(answer)
        if first == start:
            return total
        file.truncate(0)
        raise _Broken("the server gave another part than it was asked for")
    if start:  # it knows no ranges
        file.truncate(0)
    said = answer.headers.get("Content-Length", "")
    return int(said) if said.isdecimal() else None


def _write(
    answer: httpx.Response, url: str, file: BufferedRandom, expected: int | None, on_progress: OnProgress
) -> None:
    done, most = _size(file), expected or MOST_BYTES
    on_progress(done, expected)
    for chunk in answer.iter_raw():
        done += len(chunk)
        if done > most:
            raise CheckFailed(f"{url} has more than {most:,} bytes; nothing of it was kept.")
        file.write(chunk)
        on_progress(done, expected)
    if expected is not None and done < expected:
        raise _Broken(f"it ended after {done:,} of {expected:,} bytes")


def _range(answer: httpx.Response) -> tuple[int | None, int | None]:
    """Return where the part begins and how long the whole is, as Content-Range says."""
    said = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if said is None:
        return None, None
    return (None if said[1] is None else int(said[1])), int(said[2])


def _size(file: BufferedRandom) -> int:
    file.flush()
    return file.seek(0, os.SEEK_END)


def _sha256(file: BufferedIOBase) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256_at(path: Path) -> str:
    with path.open("rb") as file:
        return _sha256(file)
