"""Why a participant is not let in, each reason in its own sentence."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, WrongUse
from launch.certificates import ServerCertificates, write_certificates
from launch.greeting import check_certificate
from launch.processes import LOOPBACK, free_ports


@contextmanager
def answering(tls: ServerCertificates) -> Iterator[int]:
    """Somebody who shows this certificate to one caller; yields the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with socket.create_server((LOOPBACK, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as shown:
                shown.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


def test_the_right_certificate_passes_by_name_and_by_address(tmp_path: Path) -> None:
    tls = write_certificates(tmp_path)
    for host in ("localhost", LOOPBACK):
        with answering(tls) as port:
            check_certificate(f"{host}:{port}", tls.authority)


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    tls, other = write_certificates(tmp_path / "a"), write_certificates(tmp_path / "b")
    with answering(other) as port, pytest.raises(WrongUse, match=r"is not the coordinator that .*ca\.pem vouches for"):
        check_certificate(f"localhost:{port}", tls.authority)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    tls = write_certificates(tmp_path, valid_for=datetime.timedelta(minutes=-1))
    with answering(tls) as port, pytest.raises(WrongUse, match="has expired; ask the coordinator for new ones"):
        check_certificate(f"localhost:{port}", tls.authority)


@pytest.mark.parametrize("host", ["localhost", LOOPBACK])
def test_a_certificate_for_another_name_is_refused(tmp_path: Path, host: str) -> None:
    tls = write_certificates(tmp_path, ("fed.example.org",), ())
    with answering(tls) as port, pytest.raises(WrongUse, match="is for another name"):
        check_certificate(f"{host}:{port}", tls.authority)


def test_what_is_no_certificate_and_nobody_at_all_are_told_apart(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(WrongUse, match="is no certificate"):
        check_certificate(f"localhost:{port}", tmp_path / "no.pem")
    with pytest.raises(EnvironmentFailure, match=f"The coordinator at localhost:{port} does not answer"):
        check_certificate(f"localhost:{port}", write_certificates(tmp_path).authority)
