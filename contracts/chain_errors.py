"""The one place where what web3.py raises becomes an error of this project.

Chains word the same revert differently, and web3.py hands over a custom error undecoded: it is matched by selector
against the errors in the contracts' ABIs.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

import requests
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3.exceptions import (
    BadFunctionCallOutput,
    ContractLogicError,
    ContractPanicError,
    TimeExhausted,
    Web3Exception,
    Web3RPCError,
)

from common.errors import EnvironmentFailure
from contracts.refusal import ContractRefusal

AbiEntry = Mapping[str, Any]

# What `require(condition, "text")` reverts with; no ABI lists it.
_ERROR_WITH_TEXT: AbiEntry = {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]}


class ChainErrors:
    """Translates for one chain, given by its URL, and for contracts with these ABIs."""

    def __init__(self, url: str, abis: Sequence[Sequence[AbiEntry]] = ()) -> None:
        self.url = url
        self._errors = {
            _selector(entry): entry
            for abi in ([_ERROR_WITH_TEXT], *abis)
            for entry in abi
            if entry.get("type") == "error"
        }

    @contextmanager
    def translated(self, call: str) -> Iterator[None]:
        """Run a block of web3 calls; `call` names it in messages, such as "settleRound".

        Raises:
            ContractRefusal: the contract reverted.
            EnvironmentFailure: the chain does not answer, or not as an Ethereum node does.
        """
        try:
            yield
        except ContractLogicError as error:
            raise self.refusal(call, error) from error
        except requests.ConnectionError as error:
            raise EnvironmentFailure(
                f"The chain at {self.url} does not answer; start its node, or name another with --chain."
            ) from error
        except (requests.RequestException, TimeExhausted) as error:
            raise EnvironmentFailure(
                f"The chain at {self.url} did not complete {call} ({error}); look at its node."
            ) from error
        except BadFunctionCallOutput as error:
            raise EnvironmentFailure(
                f"The chain at {self.url} has no such contract for {call}; deploy the contracts on it first."
            ) from error
        except Web3RPCError as error:
            raise EnvironmentFailure(
                f"The chain at {self.url} rejected {call} ({rpc_message(error)}); "
                "look at its node and at the sender's funds."
            ) from error
        except (Web3Exception, DecodingError, JSONDecodeError, UnicodeDecodeError) as error:
            raise EnvironmentFailure(
                f"{self.url} does not answer {call} like an Ethereum node ({error}); check the address."
            ) from error

    def refusal(self, call: str, error: ContractLogicError) -> ContractRefusal:
        """Decode a revert; one that no ABI knows keeps its bytes or its text as a value."""
        if isinstance(error, ContractPanicError):
            return ContractRefusal("Panic", {"reason": str(error)}, call)
        data = error.data if isinstance(error.data, str) else ""
        known = self._errors.get(data[:10])
        if known is None:
            return ContractRefusal("Revert", {"reason": data or str(error)}, call)
        inputs = known["inputs"]
        try:
            values = decode([collapse_if_tuple(each) for each in inputs], bytes.fromhex(data[10:]))
        except (DecodingError, ValueError):
            return ContractRefusal(known["name"], {"data": data}, call)
        names = [each["name"] for each in inputs]
        return ContractRefusal(known["name"], dict(zip(names, values, strict=True)), call)


def rpc_message(error: Web3RPCError) -> str:
    """The node's own words for why it rejected a request."""
    response = error.rpc_response
    if response is not None and isinstance(response.get("error"), dict):
        return str(response["error"].get("message", error))
    return str(error)


def _selector(entry: AbiEntry) -> str:
    name, types = entry["name"], ",".join(collapse_if_tuple(each) for each in entry["inputs"])
    return f"0x{keccak(text=f'{name}({types})')[:4].hex()}"
