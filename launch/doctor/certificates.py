"""Certificates: valid now, for the right name, and not about to expire."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from launch.doctor.finding import Findings, failed, ok, warning
from launch.doctor.site import Site
from launch.supernode import AUTHORITY_FILE

SOON = timedelta(days=30)
_AGAIN = "provision again, and give every participant the new ca.pem"


def check_certificates(site: Site) -> Findings:
    """Look at the certificates that lie in the folder: the authority's, and the server's beside its key."""
    places = [site.folder / AUTHORITY_FILE] if site.participant is not None else []
    if site.plan is not None and site.coordinator is not None:
        places += [site.coordinator / "tls" / name for name in ("ca.pem", "server.pem")]
    for path in places:
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            yield failed("certificates", f"{path} cannot be read ({error}); {_remedy(site)}.")
            continue
        now, ends = datetime.now(UTC), certificate.not_valid_after_utc
        if now > ends:
            yield failed("certificates", f"{path} has expired on {ends:%Y-%m-%d}; {_remedy(site)}.")
        elif now < certificate.not_valid_before_utc:
            begins = certificate.not_valid_before_utc
            yield failed(
                "certificates", f"{path} is valid from {begins:%Y-%m-%d %H:%M} UTC on; set this machine's clock."
            )
        elif ends - now < SOON:
            yield warning("certificates", f"{path} expires on {ends:%Y-%m-%d}; {_remedy(site)} before.")
        else:
            yield ok("certificates", f"{path} is valid until {ends:%Y-%m-%d}.")
        if path.name == "server.pem":
            yield from _check_key(path, certificate)


def _check_key(path: Path, certificate: x509.Certificate) -> Findings:
    key_path = path.with_suffix(".key")
    public = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        yield failed("certificates", f"{key_path} cannot be read ({error}); restore it from a backup.")
        return
    if key.public_key().public_bytes(*public) != certificate.public_key().public_bytes(*public):
        yield failed("certificates", f"{key_path} is not the key of {path}; restore both from one backup.")


def _remedy(site: Site) -> str:
    return "ask the coordinator for new ones" if site.participant is not None else _AGAIN
