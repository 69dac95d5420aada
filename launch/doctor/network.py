"""The coordinator's port, the way to the coordinator, and the clocks at both ends."""

import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from common.errors import EnvironmentFailure
from launch.doctor.finding import Findings, failed, ok, warning
from launch.doctor.site import Site
from launch.processes import LOOPBACK, require_free_port
from launch.supernode import AUTHORITY_FILE

SECONDS = 2.0
"""What one look over the network may take."""
CLOCK_WARNING_SECONDS = 30.0
AHEAD_SECONDS, BEHIND_SECONDS = 5.0, 300.0
"""Flower's SuperLink refuses a node whose signed time is this far ahead of its own, or behind."""
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104


def check_port(site: Site) -> Findings:
    """Look whether the federation's port is free, or answered by this very federation."""
    if site.plan is None or site.coordinator is None:
        return
    plan = site.plan
    try:
        require_free_port(plan.port, plan.listen)
    except EnvironmentFailure as error:
        own = ssl.PEM_cert_to_DER_cert((site.coordinator / "tls" / "server.pem").read_text())
        if _shown_certificate(_EVERYWHERE.get(plan.listen, plan.listen), plan.port) == own:
            yield ok("port", f"Port {plan.port} is this federation's own; its coordinator is up.")
        else:
            yield failed("port", str(error))
    else:
        yield ok("port", f"Port {plan.port} of {plan.listen} is free.")


def check_coordinator(site: Site) -> Findings:
    """Look whether a participant reaches its coordinator, and compare the clocks by the answer's Date."""
    if site.participant is None:
        return
    address = site.participant.superlink
    try:
        context = ssl.create_default_context(cafile=str(site.folder / AUTHORITY_FILE))
        reply = httpx.get(f"https://{address}/", verify=context, timeout=SECONDS, trust_env=False)
    except (httpx.HTTPError, OSError, ssl.SSLError) as error:
        yield failed("coordinator", f"{address} does not answer as it should ({error}); ask whether it is up.")
        return
    yield ok("coordinator", f"{address} answers with a certificate that {AUTHORITY_FILE} vouches for.")
    date = reply.headers.get("date")
    if date is not None:
        yield from clock_finding("the coordinator's", parsedate_to_datetime(date))


def clock_finding(whose: str, theirs: datetime) -> Findings:
    """Compare this machine's clock with another one, whose time was told a moment ago."""
    seconds = (datetime.fromtimestamp(time.time(), UTC) - theirs).total_seconds()
    text = f"This machine's clock is {abs(seconds):,.0f} s {'ahead of' if seconds > 0 else 'behind'} {whose}"
    if seconds > AHEAD_SECONDS or -seconds > BEHIND_SECONDS:
        yield failed("clock", f"{text}; a SuperLink refuses such nodes: set it, best by NTP.")
    elif -seconds > CLOCK_WARNING_SECONDS:
        yield warning("clock", f"{text}; set it, best by NTP.")
    else:
        yield ok("clock", f"{text}.")


def _shown_certificate(host: str, port: int) -> bytes | None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is compared with a file
    try:
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            return encrypted.getpeercert(binary_form=True)
    except OSError:
        return None
