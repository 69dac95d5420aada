"""A real federation on this machine: one SuperLink, one SuperNode for each client folder, all of them processes."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from common.atomic_file import write_atomically
from common.device import Device
from common.errors import EnvironmentFailure, WrongUse
from launch.app_bundle import AppBundle, build_app_bundle
from launch.certificates import write_certificates
from launch.kept_nodes import KeptNodes
from launch.node_keys import load_or_create_node_key
from launch.processes import LOOPBACK, Supervisor, free_ports, require_free_port, wait_until
from launch.silence import SilenceWatch
from launch.superlink import start_superlink
from launch.supernode import AUTHORITY_FILE, start_supernode

if TYPE_CHECKING:
    from launch.control_api import ControlApi, Setting

START_SECONDS = 120.0
_APP_FAILED = "ServerApp failed with exception: "  # Flower's words before those of the exception
TICK_SECONDS = 0.5
LATE_SHARE, LONGEST_PAUSE_SECONDS = 0.01, 10.0
"""The end of a run may be seen late by this share of its time, but by no more than this. Each question costs the
SuperLink some milliseconds and two lines of its log: twice a second would be 27 MB a day."""


class LocalFederation:
    """Up while its `with` block runs; nothing of it is left afterwards, however the block is left.

    Everything it writes lies in the run folder (`tls/`, `flower/`, `logs/`, `superlink.db`), except for each client's
    `node.key` and `ca.pem`, which lie in the client's own folder. Nodes are numbered in the order of `client_dirs`.
    """

    def __init__(
        self,
        app_dir: Path,
        folder: Path,
        client_dirs: Sequence[Path],
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _sentence: None,
        device: Device = "auto",
    ) -> None:
        """Remember what to start.

        Args:
            app_dir: Holds the `pyproject.toml` of the Flower app.
            folder: The run folder.
            client_dirs: One folder for each client, anywhere; a `node.key` found there is used, else one is made.
            port: The SuperLink's port on 127.0.0.1; None lets the system pick one.
            environment: Variables for the ServerApps.
            say: Gets a sentence when a SuperNode ended and is started again.
            device: Where the client apps train NCF.
        """
        self._device = device
        self._app_dir = app_dir.resolve()
        self._folder = folder.resolve()
        self._client_dirs = [path.resolve() for path in client_dirs]
        self._port = port
        self._environment = environment or {}
        self._say = say
        self._kept: KeptNodes
        self._resources = ExitStack()
        self._superlink = Supervisor()
        self._nodes = Supervisor()
        self._node_ids: tuple[int, ...] = ()
        self._address: str
        self._bundle: AppBundle
        self._control: ControlApi
        self._silence: SilenceWatch

    @property
    def address(self) -> str:
        """The SuperLink's "host:port"."""
        return self._address

    @property
    def authority(self) -> Path:
        """PEM file of the authority that signed the SuperLink's certificate."""
        return self._folder / "tls" / "ca.pem"

    @property
    def node_ids(self) -> tuple[int, ...]:
        """Flower's node id of each client, in the order of `client_dirs`."""
        return self._node_ids

    def __enter__(self) -> Self:
        """Start everything; return when every node is online.

        Raises:
            EnvironmentFailure: a port is taken, or a process ended or was not up in time; nothing is left running.
            WrongUse: the app or a client's key is not usable, or a client folder is named twice.
        """
        with ExitStack() as resources:  # stops what runs if the start fails half way
            resources.enter_context(self._nodes)
            # The inner one stops first. A coordinator that outlived its nodes would take their end for bad clients, and
            # settle a round without updates.
            resources.enter_context(self._superlink)
            self._start(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def submit(self, run_config: "Mapping[str, Setting]", bundle: AppBundle | None = None) -> int:
        """Start the app with these settings over its declared defaults; returns the run id at once.

        Args:
            run_config: Settings by their keys.
            bundle: Another app than that of `app_dir`.

        Raises:
            WrongUse: a setting that the app does not declare. Flower would accept the run and then fail it.
        """
        bundle = bundle or self._bundle
        unknown = sorted(set(run_config) - bundle.settings)
        if unknown:
            raise WrongUse(f"the app has no setting {unknown[0]!r}: declare it under [tool.flwr.app.config]")
        return self._control.start_run(bundle, run_config)

    def wait(self, run_id: int, on_tick: Callable[[], None], timeout_seconds: float) -> None:
        """Return when the run has completed; `on_tick` is called twice a second meanwhile.

        What the ServerApp wrote is then in `logs/serverapp.log`, unless the SuperLink died.

        Raises:
            EnvironmentFailure: the run failed, was stopped or took too long, or the SuperLink or a SuperNode ended.
                The sentence names the log to read.
        """
        began = ask_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= ask_at:
                status = self._status_and_details(run_id)
                if status[0].startswith("finished"):
                    break
                ask_at = now + min((now - began) * LATE_SHARE, LONGEST_PAUSE_SECONDS)
            self.raise_if_any_ended(f"during run {run_id}")
            if now > began + timeout_seconds:
                self.stop(run_id)
                late = f"run {run_id} was not done after {timeout_seconds:g} s"
                raise EnvironmentFailure(f"{late}: see {self._save_log(run_id)}")
            on_tick()
            time.sleep(TICK_SECONDS)
        log = self._save_log(run_id)
        if status[0] != "finished:completed":
            reason = " ".join(status[1].split()).removeprefix(_APP_FAILED).rstrip(".") or status[0].partition(":")[2]
            raise EnvironmentFailure(f"run {run_id} did not complete ({reason}): see {log}")

    def status(self, run_id: int) -> str:
        """Flower's word for where the run is: "pending", "running", "finished:completed", "finished:failed", ..."""
        return self._control.run_status(run_id)[0]

    def stop(self, run_id: int) -> None:
        """End the run if it goes on; the federation stays up."""
        if not self.status(run_id).startswith("finished"):
            self._control.stop_run(run_id)

    def online(self) -> int:
        """How many nodes are connected now."""
        return len(self._control.online_nodes())

    def raise_if_any_ended(self, when: str) -> None:
        """Start a SuperNode again that has ended.

        Raises:
            EnvironmentFailure: the SuperLink ended or fell silent, or a SuperNode ended again and again. One sentence
                with the log's name.
        """
        self._superlink.raise_if_any_ended(when)
        self._silence.look()
        self._kept.look(when)

    def _start(self, resources: ExitStack) -> None:
        if len(set(self._client_dirs)) < len(self._client_dirs):
            raise WrongUse("two clients share a folder: give each its own")
        port, *node_ports = free_ports(1 + len(self._client_dirs))
        if self._port is not None:
            require_free_port(self._port)
            port = self._port
        self._address = address = f"{LOOPBACK}:{port}"
        public_keys = [load_or_create_node_key(client_dir) for client_dir in self._client_dirs]
        certificates = write_certificates(self._folder / "tls")
        for client_dir in self._client_dirs:
            write_atomically(client_dir / AUTHORITY_FILE, certificates.authority.read_bytes(), private=True)
        superlink = start_superlink(self._superlink, self._folder, certificates, port, self._environment)

        # While the SuperLink imports itself for a second, so does its client here, and the app is bundled.
        from launch.control_api import ControlApi  # noqa: PLC0415

        self._control = resources.enter_context(ControlApi(address, certificates.authority, superlink.log))
        self._bundle = build_app_bundle(self._app_dir)
        wait_until(self._control.answers, "the superlink", watched=[superlink], seconds=START_SECONDS)

        names = [f"supernode-{index:02d}" for index in range(len(self._client_dirs))]
        self._node_ids = tuple(map(self._control.register_node, public_keys, names))
        starts = [
            partial(
                start_supernode, self._nodes, name, self._folder, client_dir, address, node_port, device=self._device
            )
            for name, client_dir, node_port in zip(names, self._client_dirs, node_ports, strict=True)
        ]
        self._kept = KeptNodes(starts, [start() for start in starts], self._say)
        everyone = [superlink, *self._nodes.children]
        wait_until(self._all_online, "the federation", watched=everyone, seconds=START_SECONDS)
        self._silence = SilenceWatch(self._control.online_nodes)

    def _all_online(self) -> bool:
        return self._control.online_nodes() >= set(self._node_ids)

    def _status_and_details(self, run_id: int) -> tuple[str, str]:
        from launch.control_api import NoAnswer  # noqa: PLC0415

        try:
            return self._control.run_status(run_id)
        except NoAnswer:  # busy, or gone: then its process has ended, which the caller sees
            return "unknown", ""

    def _save_log(self, run_id: int) -> Path:
        path = self._folder / "logs" / "serverapp.log"
        try:
            path.write_text(self._control.run_log(run_id), encoding="utf-8")
        except OSError:  # no room for it; the sentence that it would repeat is said all the same
            return path.with_name("superlink.log")
        return path
