"""One JSON-RPC request, for asking a chain whether it is up and for what only development chains can do."""

from typing import Any

import requests

from common.errors import EnvironmentFailure

REQUEST_TIMEOUT_SECONDS = 5.0


def request(url: str, method: str, *parameters: object) -> Any:
    """Return the result of one call.

    Raises:
        EnvironmentFailure: no answer, or an answer that is no result.
    """
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    try:
        answer = requests.post(url, json=body, timeout=REQUEST_TIMEOUT_SECONDS).json()
    except (requests.RequestException, ValueError) as error:
        raise EnvironmentFailure(f"The chain at {url} does not answer {method}; look at its node.") from error
    if not isinstance(answer, dict) or "result" not in answer:
        raise EnvironmentFailure(f"The chain at {url} does not do {method} ({answer}); look at its node.")
    return answer["result"]


def answers(url: str) -> bool:
    """Tell whether a chain answers there."""
    try:
        request(url, "eth_chainId")
    except EnvironmentFailure:
        return False
    return True
