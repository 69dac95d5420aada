import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from common.atomic_file import write_atomically
from common.errors import WrongUse
from launch.node_keys import load_or_create_node_key


def test_a_new_key_is_on_the_curve_that_flower_wants_and_private(tmp_path):
    public_key = serialization.load_pem_public_key(load_or_create_node_key(tmp_path / "client"))
    path = tmp_path / "client" / "node.key"
    private_key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    assert isinstance(private_key.curve, ec.SECP384R1)
    assert private_key.public_key() == public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_is_there_is_kept(tmp_path):
    assert load_or_create_node_key(tmp_path) == load_or_create_node_key(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"no key at all",
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ),
    ],
    ids=["text", "another kind"],
)
def test_a_file_that_is_no_such_key_is_refused_and_kept(tmp_path, content):
    (tmp_path / "node.key").write_bytes(content)
    with pytest.raises(WrongUse, match=r"node\.key is not a"):
        load_or_create_node_key(tmp_path)
    assert (tmp_path / "node.key").read_bytes() == content


def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch):
    def full_disk(descriptor):
        raise OSError("no space left")

    write_atomically(tmp_path / "secret", b"old", private=True)
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(tmp_path / "secret", b"new", private=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
