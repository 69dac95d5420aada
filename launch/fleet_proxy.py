"""What other machines reach instead of the SuperLink: an nginx that passes Flower's fleet interface and nothing else.

The SuperLink serves `/v1/fleet`, `/v1/control` and `/v1/runtime` on one port and asks no credential for the control
interface: whoever reaches that port can register nodes and start runs, which are code. So it listens on 127.0.0.1
alone, and this proxy stands before it. It ends TLS with the federation's certificate, checks the SuperLink's own
certificate behind it, and answers 403 to all but POST requests below `/v1/fleet/`. SuperNodes prove who they are to
the SuperLink by signed headers, which pass unchanged.

Every fleet call of flwr 1.41 is one bounded request with one bounded answer: no streams, no upgrades. So the proxy
reads a request whole before a thread of the SuperLink sees it, and a slow sender occupies the proxy alone.
"""

import os
import pwd
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common.atomic_file import write_atomically
from common.errors import EnvironmentFailure, WrongUse
from launch.certificates import LOCAL_NAMES
from launch.processes import LOOPBACK, ChildProcess, Supervisor, require_free_port

LARGEST_BODY_MIB = 12
"""Flower cuts arrays into objects of 5 MiB and bundles of at most 10 MiB; a push-object call carries one object."""
REQUESTS_A_SECOND, BURST = 200, 2000
"""Of one address. An idle node asks every 3 s; one that transfers a model makes some hundred calls at once."""
CONNECTIONS = 256
"""Of one address at a time with a request: some twenty nodes behind one router, ten connections each."""
REQUESTS_AT_ONCE = 512
"""Of all addresses. With `LARGEST_BODY_MIB` it bounds what bodies take of the disk, 6 GiB."""
SOCKETS = 8192
"""Of all addresses, the proxy's own to the SuperLink included. Beyond it idle connections make room first."""
SLOWEST_HEAD_SECONDS = 10
"""For the TLS handshake, and then for a request's head, whole."""
SLOWEST_READ_SECONDS = 20
"""Between two pieces of a request's body, and until the client takes a piece of the answer."""

_OWN_FILES = 64  # logs, listening sockets, certificates
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")  # sbin is not on everybody's PATH
_CONFIGURATION = """\
# Written at every start; changes are lost.
daemon off;
{user}pid "{folder}/nginx.pid";
error_log stderr warn;
worker_processes 1;
worker_rlimit_nofile {files};
events {{ worker_connections {sockets}; }}
http {{
    server_tokens off;
    default_type application/octet-stream;
    map $status $refused {{ ~^[123] 0; default 1; }}
    log_format refused '$time_iso8601 $remote_addr refused $status $request_method "$uri"';
    access_log "{folder}/refused.log" refused if=$refused;
    client_body_temp_path "{folder}/body";
    proxy_temp_path "{folder}/answers";
    fastcgi_temp_path "{folder}/unused";
    uwsgi_temp_path "{folder}/unused";
    scgi_temp_path "{folder}/unused";

    limit_req_zone $binary_remote_addr zone=requests:4m rate={rate}r/s;
    limit_conn_zone $binary_remote_addr zone=connections:4m;
    limit_conn_zone $server_port zone=all:1m;
    limit_req_status 429;
    limit_conn_status 429;

    upstream superlink {{
        server {superlink};
        keepalive 16;
    }}

    server {{
        listen {listen} ssl;
        ssl_certificate "{certificate}";
        ssl_certificate_key "{key}";
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_tickets off;

        client_header_timeout {slowest_head}s;
        client_body_timeout {slowest}s;
        send_timeout {slowest}s;
        keepalive_timeout 75s;
        client_max_body_size {body}m;
        client_body_buffer_size 64k;
        reset_timedout_connection on;
        lingering_time 5s;
        lingering_timeout 2s;
        large_client_header_buffers 4 8k;

        location / {{ return 403; }}
        location /v1/fleet/ {{
            limit_except POST {{ deny all; }}
            limit_req zone=requests burst={burst} nodelay;
            limit_conn connections {connections};
            limit_conn all {at_once};
            # With a path given here nginx passes on the path that it has matched, dots and escapes resolved, never
            # the client's spelling of it.
            proxy_pass https://superlink/v1/fleet/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate "{authority}";
            proxy_ssl_name {superlink_name};
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_connect_timeout 5s;
            proxy_read_timeout 120s;
            proxy_send_timeout 60s;
            proxy_next_upstream off;
            proxy_max_temp_file_size 64m;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class FleetProxy:
    """Where the proxy listens, what it shows, and what stands behind it.

    Attributes:
        host: The IPv4 or IPv6 address to listen on; "0.0.0.0" for all.
        port: Where other machines reach it. Ports below 1024 need root.
        certificate: PEM file that covers the name by which participants reach this machine.
        key: PEM file of its private key.
        superlink_port: The SuperLink's port on 127.0.0.1.
        superlink_authority: PEM file of the authority that signed the SuperLink's certificate for "localhost".
    """

    host: str
    port: int
    certificate: Path
    key: Path
    superlink_port: int
    superlink_authority: Path

    def configuration(self, folder: Path) -> str:
        """Return the nginx configuration; nginx keeps its own files below `folder`.

        Raises:
            WrongUse: a path cannot be written in such a file.
        """
        return _CONFIGURATION.format(
            user=_user_line(),
            folder=_quotable(folder),
            listen=f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}",
            certificate=_quotable(self.certificate),
            key=_quotable(self.key),
            superlink=f"{LOOPBACK}:{self.superlink_port}",
            superlink_name=LOCAL_NAMES[0],  # nginx compares names, never addresses
            authority=_quotable(self.superlink_authority),
            body=LARGEST_BODY_MIB,
            rate=REQUESTS_A_SECOND,
            burst=BURST,
            connections=CONNECTIONS,
            at_once=REQUESTS_AT_ONCE,
            sockets=min(SOCKETS, _most_files() - _OWN_FILES),
            files=_most_files(),
            slowest_head=SLOWEST_HEAD_SECONDS,
            slowest=SLOWEST_READ_SECONDS,
        )


def start_fleet_proxy(supervisor: Supervisor, proxy: FleetProxy, folder: Path, log: Path) -> ChildProcess:
    """Write the configuration, let nginx check it, start nginx.

    Args:
        supervisor: Stops it at the end.
        proxy: What to start.
        folder: For the configuration, nginx's temporary files and `refused.log`, one line a request that was refused.
        log: Gets what nginx writes otherwise.

    Raises:
        EnvironmentFailure: nginx is not installed, cannot read what it is given, or the port is taken.
        WrongUse: a path cannot be written in an nginx configuration.
    """
    program = nginx_program()
    require_free_port(proxy.port, proxy.host)  # nginx itself would try for three seconds
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nginx.conf"
    write_atomically(path, proxy.configuration(folder).encode(), private=True)
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(path)]
    checked = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False, timeout=30)
    if checked.returncode != 0:
        reasons = [line.strip() for line in checked.stderr.splitlines() if "[emerg]" in line] or [
            checked.stderr.strip()
        ]
        raise EnvironmentFailure(f"nginx refuses its configuration ({reasons[0]}): see {path}")
    return supervisor.start("fleet proxy", command, environment=dict(os.environ), folder=folder, log=log)


def nginx_program() -> str:
    """The path of nginx.

    Raises:
        EnvironmentFailure: it is not installed.
    """
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES]))
    if found is None:
        raise EnvironmentFailure(
            "nginx is not installed, and other machines may reach the SuperLink through it alone: "
            "install it (Debian and Ubuntu: apt-get install nginx-light)"
        )
    return found


def _most_files() -> int:
    """How many files nginx may have open: what it needs, or what this system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOCKETS + REQUESTS_AT_ONCE + _OWN_FILES  # a request's body may be a file beside its two sockets
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def _user_line() -> str:
    """As root, nginx would work as another user, who cannot enter a folder that is closed to others."""
    return f"user {pwd.getpwuid(0).pw_name} root;\n" if os.geteuid() == 0 else ""


def _quotable(path: Path) -> str:
    text = str(path.absolute())
    if not text.isprintable() or any(sign in text for sign in '"\\$'):
        raise WrongUse(f"{text!r} cannot be written in an nginx configuration: choose a path without quotes, \\ and $")
    return text
