"""A federation for SuperNodes on other machines: a SuperLink on 127.0.0.1, and a proxy that other machines reach."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx

from launch.certificates import write_certificates
from launch.fleet_proxy import FleetProxy, start_fleet_proxy
from launch.processes import LOOPBACK, ChildProcess, Supervisor, free_ports, wait_until
from launch.silence import SilenceWatch
from launch.superlink import MOST_MEMORY_BYTES, start_superlink

if TYPE_CHECKING:
    from launch.control_api import ControlApi

START_SECONDS = 120.0


@dataclass(frozen=True)
class PublicEnd:
    """Where other machines connect.

    Attributes:
        host: The address to listen on; "0.0.0.0" for all.
        port: The port.
        certificate: PEM file, for the names by which they reach this machine.
        key: PEM file of its private key.
    """

    host: str
    port: int
    certificate: Path
    key: Path


class ServedFederation:
    """Up while its `with` block runs; nothing of it is left afterwards.

    The SuperLink gets a certificate of its own at every start, which the proxy alone has to trust. What the processes
    write lies in `folder` (`tls/`, `flower/`, `proxy/`, `logs/`, `superlink.db`).
    """

    def __init__(
        self,
        folder: Path,
        public: PublicEnd,
        environment: Mapping[str, str] | None = None,
        most_memory_bytes: int = MOST_MEMORY_BYTES,
    ) -> None:
        """Remember what to start.

        Args:
            folder: For what the processes write.
            public: The proxy's end.
            environment: Variables for the ServerApps.
            most_memory_bytes: That the SuperLink may take.
        """
        self._folder = folder.resolve()
        self._public = public
        self._environment = environment or {}
        self._most_memory_bytes = most_memory_bytes
        self._children = Supervisor()
        self._resources = ExitStack()
        self._silence: SilenceWatch
        self.control: ControlApi
        self.address: str

    @property
    def authority(self) -> Path:
        """PEM file for who speaks to the SuperLink on this machine."""
        return self._folder / "tls" / "ca.pem"

    @property
    def children(self) -> tuple[ChildProcess, ...]:
        """The proxy and the SuperLink."""
        return self._children.children

    def __enter__(self) -> Self:
        """Start the SuperLink, then the proxy; return when both answer.

        Raises:
            EnvironmentFailure: nginx is missing, a port is taken, or a process ended or was not up in time.
            WrongUse: a path that nginx cannot be told.
        """
        with ExitStack() as resources:
            resources.enter_context(self._children)
            self._start(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def raise_if_any_ended(self, when: str) -> None:
        """Raise EnvironmentFailure, one sentence with the log's name, if SuperLink or proxy ended, or fell silent."""
        self._children.raise_if_any_ended(when)
        self._silence.look()

    def _start(self, resources: ExitStack) -> None:
        (port,) = free_ports(1)
        self.address = f"{LOOPBACK}:{port}"
        certificates = write_certificates(self._folder / "tls")
        proxy = FleetProxy(
            self._public.host,
            self._public.port,
            self._public.certificate,
            self._public.key,
            superlink_port=port,
            superlink_authority=certificates.authority,
        )
        # The proxy comes first: what is wrong with it shows at once. It answers 502 until the SuperLink is up.
        nginx = start_fleet_proxy(self._children, proxy, self._folder / "proxy", self._folder / "logs" / "proxy.log")
        superlink = start_superlink(
            self._children,
            self._folder,
            certificates,
            port,
            self._environment,
            keep_database=True,
            most_memory_bytes=self._most_memory_bytes,
        )

        from launch.control_api import ControlApi  # noqa: PLC0415 - a second, while the SuperLink imports itself

        self.control = resources.enter_context(ControlApi(self.address, certificates.authority, superlink.log))
        wait_until(self._proxy_answers, "the fleet proxy", watched=[nginx, superlink], seconds=START_SECONDS)
        wait_until(self.control.answers, "the superlink", watched=[superlink, nginx], seconds=START_SECONDS)
        self._silence = SilenceWatch(self.control.online_nodes)

    def _proxy_answers(self) -> bool:
        """Whether somebody listens; who it is, its certificate says to those who ask for the right name."""
        host = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(self._public.host, self._public.host)  # noqa: S104
        try:
            httpx.get(f"https://{host}:{self._public.port}/", verify=False, timeout=2)  # noqa: S501
        except httpx.HTTPError:
            return False
        return True
