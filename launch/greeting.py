"""What is asked of a SuperLink in a node's name: whether it would be let in, and goodbye for one that died."""

import socket
import ssl
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from common.errors import EnvironmentFailure, WrongUse

_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_*
_SIGNATURE_REFUSED, _NODE_REFUSED = 401, 412  # the latter for unknown, revoked and doubled nodes alike
_SECONDS = 10.0
_HEARTBEAT_SECONDS = 30.0


def check_certificate(address: str, authority: Path) -> None:
    """Make sure that who answers there is vouched for by the participant's `ca.pem`.

    Args:
        address: "host:port".
        authority: PEM file.

    Raises:
        WrongUse: `ca.pem` is no certificate, or vouches for somebody else, or the certificate is not valid now.
        EnvironmentFailure: nobody answers.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        context = ssl.create_default_context(cafile=str(authority))
    except (OSError, ssl.SSLError) as error:
        raise WrongUse(f"{authority} is no certificate ({error}); ask the coordinator for it again.") from error
    try:
        with (
            socket.create_connection((host, int(port)), timeout=_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            pass
    except ssl.SSLCertVerificationError as error:
        raise WrongUse(_sentence(error, address, authority)) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"The coordinator at {address} does not answer ({error}); ask whether it is up, and check the network."
        ) from error


def check_node(address: str, authority: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Make sure that the federation knows the node and that no other SuperNode uses its key; changes nothing.

    Raises:
        WrongUse: it does not.
        EnvironmentFailure: nobody answers as a SuperLink does.
    """
    client = _fleet_client(address, authority, key)
    request = ActivateNodeRequest(
        public_key=public_key_to_bytes(key.public_key()), heartbeat_interval=_HEARTBEAT_SECONDS
    )
    try:
        with client:
            node_id = client.ActivateNode(request).node_id
            client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status == _SIGNATURE_REFUSED:
            raise WrongUse(
                f"The coordinator at {address} refuses this machine's signature, as it does where a clock is some "
                "seconds ahead or minutes behind; set the clock of this machine, then try again."
            ) from error
        if status == _NODE_REFUSED:
            raise WrongUse(
                f"The federation at {address} does not let this node in: it was never admitted, or it was revoked, or "
                "another SuperNode uses its key; ask the coordinator, and after a crash wait a minute."
            ) from error
        raise EnvironmentFailure(f"The coordinator at {address} answers {status}; ask whether it is up.") from error
    except httpx.HTTPError as error:
        raise EnvironmentFailure(f"The coordinator at {address} does not answer ({error}).") from error


def say_goodbye(address: str, authority: Path, key: ec.EllipticCurvePrivateKey, node_id: int) -> None:
    """End the connection of a SuperNode that cannot do so itself any more; only for who knows that it is dead.

    Raises:
        EnvironmentFailure: the SuperLink does not answer, or knows of no such connection.
    """
    try:
        with _fleet_client(address, authority, key) as client:
            client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))
    except httpx.HTTPError as error:
        raise EnvironmentFailure(f"The earlier connection with {address} cannot be ended ({error}).") from error


def _fleet_client(address: str, authority: Path, key: ec.EllipticCurvePrivateKey) -> FleetHttpClient:
    interceptors: list[ProtobufClientInterceptor] = [
        RuntimeVersionHttpInterceptor(component_name="SuperNode"),
        NodeAuthHttpInterceptor(key, key.public_key()),
    ]
    return FleetHttpClient.from_server_address(address, False, authority.read_bytes(), interceptors=interceptors)


def _sentence(error: ssl.SSLCertVerificationError, address: str, authority: Path) -> str:
    if error.verify_code == _EXPIRED:
        return f"The certificate of {address}, or {authority}, has expired; ask the coordinator for new ones."
    if error.verify_code == _NOT_YET:
        return f"The certificate of {address} is not valid yet; set the clock of this machine."
    if error.verify_code in {_WRONG_NAME, _WRONG_ADDRESS}:
        return f"The certificate of {address} is for another name; connect by the name that the coordinator gave."
    return (
        f"Whoever answers at {address} is not the coordinator that {authority} vouches for ({error.verify_message}); "
        "send nothing there, and ask the coordinator."
    )
