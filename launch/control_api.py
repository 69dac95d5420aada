"""The SuperLink's Control API: what `flwr supernode register`, `run`, `list`, `stop` and `log` do, in this process.

It is Flower's own client, the one under its command line. A `flwr` command takes about a second to import itself; with
five nodes to register and a status to poll that would be the larger part of the start, and a core during the run.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    StreamLogsRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from common.errors import EnvironmentFailure
from launch.app_bundle import AppBundle

Setting = bool | int | float | str
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class NoAnswer(EnvironmentFailure):
    """The SuperLink could not be reached just now: not up yet, busy, or gone."""


class ControlApi:
    """One connection to one SuperLink.

    Every method raises NoAnswer when nothing comes back, and EnvironmentFailure when the SuperLink refuses.
    """

    def __init__(self, address: str, authority: Path, log: Path) -> None:
        """Connect later, when first asked.

        Args:
            address: "host:port".
            authority: PEM file of the authority that signed the SuperLink's certificate.
            log: The SuperLink's log, for the sentences of errors.
        """
        self._log = log
        self._client = ControlHttpClient.from_server_address(
            address,
            insecure=False,
            root_certificates=authority.read_bytes(),
            interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def answers(self) -> bool:
        """Whether the SuperLink is up."""
        try:
            self._call(self._client.ListNodes, ListNodesRequest())
        except NoAnswer:
            return False
        return True

    def register_node(self, public_key: bytes, name: str) -> int:
        """Let a node in; to be done before it connects. Returns its node id.

        Args:
            public_key: PEM.
            name: For people.
        """
        return self._call(self._client.RegisterNode, RegisterNodeRequest(public_key=public_key, name=name)).node_id

    def unregister_node(self, node_id: int) -> None:
        """Let a node in no more; its next call is refused, upon which it ends."""
        self._call(self._client.UnregisterNode, UnregisterNodeRequest(node_id=node_id))

    def registered_nodes(self) -> dict[bytes, int]:
        """The node ids of all nodes that may connect, by their public keys (PEM)."""
        nodes = self._call(self._client.ListNodes, ListNodesRequest()).nodes_info
        return {node.public_key: node.node_id for node in nodes if node.status != "unregistered"}

    def nodes_by_name(self) -> dict[str, tuple[int, bool]]:
        """The id of each node that may connect, and whether it is connected now, by the name it was let in under."""
        nodes = self._call(self._client.ListNodes, ListNodesRequest()).nodes_info
        return {
            node.name or f"node {node.node_id}": (node.node_id, node.status == "online")
            for node in nodes
            if node.status != "unregistered"
        }

    def online_nodes(self) -> frozenset[int]:
        """The ids of the nodes that are connected now."""
        nodes = self._call(self._client.ListNodes, ListNodesRequest()).nodes_info
        return frozenset(node.node_id for node in nodes if node.status == "online")

    def start_run(self, bundle: AppBundle, settings: Mapping[str, Setting]) -> int:
        """Start the app with these settings over its defaults. Returns the run id."""
        fab = fab_to_proto(Fab(bundle.sha256, bundle.content, {}))
        request = StartRunRequest(fab=fab, override_config=user_config_to_proto(dict(settings)))
        return self._call(self._client.StartRun, request).run_id

    def run_status(self, run_id: int) -> tuple[str, str]:
        """The status ("running", "finished:failed", ...) and Flower's words about it, often empty."""
        status = self._call(self._client.ListRuns, ListRunsRequest(run_id=run_id)).run_dict[run_id].status
        return f"{status.status}:{status.sub_status}".rstrip(":"), status.details

    def started_runs(self) -> list[int]:
        """The ids of the runs that some coordinator has taken up and not finished."""
        runs = self._call(self._client.ListRuns, ListRunsRequest()).run_dict
        return [run_id for run_id, run in runs.items() if run.status.status in {"starting", "running"}]

    def stop_run(self, run_id: int) -> None:
        """Stop a run that has not finished; the SuperLink refuses for one that has."""
        self._call(self._client.StopRun, StopRunRequest(run_id=run_id))

    def run_log(self, run_id: int) -> str:
        """All that the ServerApp of a finished run wrote. For a run that goes on this waits until its end."""
        return self._call(self._read_log, StreamLogsRequest(run_id=run_id, after_timestamp=0.0))

    def _read_log(self, request: StreamLogsRequest) -> str:
        with closing(self._client.StreamLogs(request)) as parts:
            return "".join(part.log_output for part in parts)

    def _call(self, method: Callable[[_Request], _Response], request: _Request) -> _Response:
        try:
            return method(request)
        except httpx.HTTPStatusError as error:
            reply = error.response
            raise EnvironmentFailure(
                f"the superlink refuses {reply.request.url.path} ({reply.status_code} {reply.text}): see {self._log}"
            ) from error
        except httpx.HTTPError as error:
            raise NoAnswer(f"the superlink does not answer ({error}): see {self._log}") from error
