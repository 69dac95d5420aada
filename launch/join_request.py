"""What a participant that made its own keys sends to the coordinator: public parts, signed with both private ones."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct

from common.account import SigningAccount
from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.errors import WrongUse
from launch.admitted_nodes import AdmittedNode

REQUEST_FILE = "request.json"
_LARGEST_BYTES = 16_384


@dataclass(frozen=True)
class JoinRequest:
    """A request whose signatures hold: the sender has the keys of this account and of this node."""

    federation: str
    node: AdmittedNode


def write_request(
    path: Path, federation: str, name: str, account: SigningAccount, key: ec.EllipticCurvePrivateKey
) -> None:
    """Sign and write a request; nothing in it is secret."""
    public_key = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    asked = _asked(federation, name, account.address, public_key.decode())
    signed = Account.sign_message(_for_account(asked), account.key).signature
    record = asked | {
        "account_signature": bytes(signed).hex(),
        "node_signature": key.sign(_message(asked), ec.ECDSA(hashes.SHA256())).hex(),
    }
    write_atomically(path, json.dumps(record, indent=2).encode())


def read_request(path: Path) -> JoinRequest:
    """Read a request and check both signatures.

    Raises:
        WrongUse: it cannot be read, or a signature is not by the key that the request names.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"it is larger than {_LARGEST_BYTES} bytes")
        record = parse_json(path.read_bytes())
        texts = [record[name] for name in ("federation", "name", "account", "node_public_key")]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("its entries must be texts")
        asked = _asked(*texts)
        key = serialization.load_pem_public_key(asked["node_public_key"].encode())
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
            raise ValueError("its node key is not on the curve SECP384R1")
        canonical = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        if canonical.decode() != asked["node_public_key"]:
            raise ValueError("its node key is not written as `tfedrs join` writes it")
        key.verify(bytes.fromhex(record["node_signature"]), _message(asked), ec.ECDSA(hashes.SHA256()))
        signer = Account.recover_message(_for_account(asked), signature=bytes.fromhex(record["account_signature"]))
    except InvalidSignature as error:
        raise WrongUse(f"The node key in {path} has not signed it; ask for a new request.") from error
    except Exception as error:  # eth-keys has errors of its own, beside ValueError and KeyError
        raise WrongUse(f"{path} is no request of `tfedrs join` ({error}); ask for a new one.") from error
    if signer != asked["account"]:
        raise WrongUse(f"The account in {path} has not signed it; ask for a new request.")
    return JoinRequest(asked["federation"], AdmittedNode(asked["name"], asked["account"], asked["node_public_key"]))


def _asked(federation: str, name: str, account: str, node_public_key: str) -> dict[str, Any]:
    return {"federation": federation, "name": name, "account": account, "node_public_key": node_public_key}


def _message(asked: dict[str, Any]) -> bytes:
    return b"T-FedRS join 1\n" + rfc8785.dumps(asked)


def _for_account(asked: dict[str, Any]) -> SignableMessage:
    return encode_defunct(_message(asked))
