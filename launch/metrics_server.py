"""Serves metrics over HTTP, to this machine alone unless told otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import EnvironmentFailure, WrongUse
from launch.processes import LOOPBACK

_PORTS = range(1, 65536)


@contextmanager
def serve_metrics(
    folder: Path, port: int | None, online: Callable[[], int] | None = None, host: str = LOOPBACK
) -> Iterator[None]:
    """Answer `GET /metrics` while the block runs.

    Args:
        folder: A run or a federation; its newest run is shown.
        port: None serves nothing.
        online: See `launch.metrics.RunCollector`.
        host: The address to listen on. Metrics name accounts and progress, and ask for no password.

    Raises:
        WrongUse: there is no such port.
        EnvironmentFailure: the port is taken.
    """
    if port is None:
        yield
        return
    if port not in _PORTS:
        raise WrongUse(f"--metrics-port must be from 1 to 65535, not {port}.")
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - who asks for none pays nothing

    from launch.metrics import RunCollector  # noqa: PLC0415

    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector(folder, online))
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise EnvironmentFailure(
            f"Port {port} for metrics cannot be used ({error.strerror}); choose another with --metrics-port."
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
