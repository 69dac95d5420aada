"""The key by which a SuperNode proves to the SuperLink which registered node it is."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from common.atomic_file import write_atomically
from common.errors import WrongUse

NODE_KEY_FILE = "node.key"


def load_or_create_node_key(client_dir: Path) -> bytes:
    """Return the PEM public key that belongs to `client_dir/node.key`; make the key if there is none.

    Flower wants SECP384R1 in OpenSSH format for the private key, and registers the public one as PEM.

    Raises:
        WrongUse: the file is there and is no such key.
    """
    path = client_dir / NODE_KEY_FILE
    if path.exists():
        path.chmod(0o600)
        key = _load(path)
    else:
        key = ec.generate_private_key(ec.SECP384R1())
        content = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        write_atomically(path, content, private=True)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_node_key(client_dir: Path) -> ec.EllipticCurvePrivateKey:
    """Return the private key in `client_dir/node.key`.

    Raises:
        WrongUse: it is missing, or no such key.
    """
    path = client_dir / NODE_KEY_FILE
    if not path.exists():
        raise WrongUse(f"{path} is missing; make the keys of this machine with `tfedrs join {client_dir}`.")
    return _load(path)


def _load(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except (ValueError, UnsupportedAlgorithm, TypeError, NotImplementedError) as error:
        raise WrongUse(f"{path} is not an OpenSSH private key: remove it and a new one is made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise WrongUse(f"{path} is not a key on the curve SECP384R1: remove it and a new one is made")
    return key
