import ssl
import stat

import pytest

from launch.certificates import write_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return write_certificates(tmp_path_factory.mktemp("tls"), names=["localhost", "coordinator.example"])


def shake_hands(server_files, authority, name):
    """A TLS handshake in memory, as strict as OpenSSL can be."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server_files.certificate, server_files.key)
    client_context = ssl.create_default_context(cafile=authority)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done = set()
    while len(done) < 2:
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass


@pytest.mark.parametrize("name", ["localhost", "coordinator.example", "127.0.0.1", "::1"])
def test_a_client_accepts_the_server_under_each_of_its_names(certificates, name):
    shake_hands(certificates, certificates.authority, name)


def test_a_client_refuses_the_server_under_another_name(certificates):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(certificates, certificates.authority, "elsewhere.example")


def test_a_client_of_another_authority_refuses_the_server(certificates, tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(certificates, write_certificates(tmp_path).authority, "localhost")


def test_only_the_owner_may_read_and_the_authority_leaves_no_key(certificates):
    files = list(certificates.key.parent.iterdir())
    assert {path.name for path in files} == {"ca.pem", "server.pem", "server.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
