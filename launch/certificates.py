"""TLS for one SuperLink: a fresh certificate authority that signs one server certificate and is forgotten.

The authority's key never touches the disk, so nobody can sign a second server that the clients would trust.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from common.atomic_file import write_atomically
from launch.federation_plan import FederationPlan

VALID_FOR = datetime.timedelta(days=365)
LOCAL_NAMES = ("localhost",)
LOCAL_ADDRESSES = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerCertificates:
    """PEM files of one server: what clients trust, what the server shows, and the server's secret."""

    authority: Path
    certificate: Path
    key: Path


def write_certificates(
    folder: Path,
    names: Sequence[str] = LOCAL_NAMES,
    addresses: Sequence[str] = LOCAL_ADDRESSES,
    valid_for: datetime.timedelta = VALID_FOR,
) -> ServerCertificates:
    """Make an authority and a server certificate, both on P-256, and write them to `ca.pem` and `server.*`.

    Args:
        folder: Where the files go; files of an earlier start are replaced.
        names: DNS names that the server answers to; the first is its common name.
        addresses: IPv4 and IPv6 addresses that the server answers to.
        valid_for: From now on.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _common_name("T-FedRS run authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), authority_key.public_key(), valid_for)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subjects = [x509.DNSName(name) for name in names]
    subject_addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    server = (
        _builder(_common_name(names[0]), authority_name, server_key.public_key(), authority_key.public_key(), valid_for)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*subjects, *subject_addresses]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    files = ServerCertificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    write_atomically(files.authority, authority.public_bytes(serialization.Encoding.PEM), private=True)
    write_atomically(files.certificate, server.public_bytes(serialization.Encoding.PEM), private=True)
    write_atomically(
        files.key,
        server_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        private=True,
    )
    return files


def write_public_certificates(coordinator_dir: Path, plan: FederationPlan) -> ServerCertificates:
    """Make an authority, and a certificate for the address that participants connect to, in `tls/`."""
    is_name = not plan.address.replace(".", "").isdigit() and ":" not in plan.address
    names, addresses = ((plan.address,), ()) if is_name else (LOCAL_NAMES, (plan.address,))
    return write_certificates(coordinator_dir / "tls", names, addresses)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    subject_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    valid_for: datetime.timedelta,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(subject_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks of several machines differ
        .not_valid_after(now + valid_for)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
