"""A web3.py connection to a chain given by its URL, with the defaults this project relies on."""

from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider, Web3
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.rpc.utils import REQUEST_RETRY_ALLOWLIST, ExceptionRetryConfiguration

from common.errors import WrongUse
from contracts.chain_errors import ChainErrors

REQUEST_TIMEOUT_SECONDS = 20

# A node that restarts is waited for: 0.2 + 0.4 + 0.8 s between the four tries.
_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.2

# A transaction is sent again only after a look at whether it arrived: `contracts/sender.py` does both.
_REPEATABLE = [method for method in REQUEST_RETRY_ALLOWLIST if method != "eth_sendRawTransaction"]


def connect(url: str) -> Web3:
    """Return a connection; nothing is sent yet.

    Raises:
        WrongUse: the text is no http or https URL.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise WrongUse(f"{url!r} is no URL of a chain; give one like http://127.0.0.1:8545.")
    retries = ExceptionRetryConfiguration(
        errors=(requests.ConnectionError, requests.Timeout),
        retries=_TRIES,
        backoff_factor=_FIRST_PAUSE_SECONDS,
        method_allowlist=_REPEATABLE,
    )
    provider = HTTPProvider(
        url, request_kwargs={"timeout": REQUEST_TIMEOUT_SECONDS}, exception_retry_configuration=retries
    )
    web3 = Web3(provider)
    # Proof-of-authority chains put signatures into a field that web3.py otherwise refuses to read.
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return web3


def read_chain_id(url: str) -> int:
    """Ask the chain for its id.

    Raises:
        WrongUse: the text is no URL.
        EnvironmentFailure: nothing answers there, or something that is no Ethereum node.
    """
    web3 = connect(url)
    with ChainErrors(url).translated("eth_chainId"):
        return int(web3.eth.chain_id)
