"""What a client signs: commitments, scores and the binding of its node to its account (EIP-712)."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from eth_hash.auto import keccak

from common.abi_words import encode_words
from common.errors import Rejected
from common.recoverable_signature import SIGNATURE_BYTES, sign_hash, signer_of

_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_COMMITMENT_TYPE = "Commitment(bytes32 runId,uint64 round,bytes32 commitment)"
_SCORE_TYPE = (
    "Score(bytes32 runId,uint64 round,address subject,bytes32 commitment,bytes32 shard,"
    "int256 ndcgGainWad,int256 hitGainWad)"
)
_NODE_BINDING_TYPE = "NodeBinding(bytes32 runId,address account,uint64 nodeId)"
_V = (27, 28)
_GREATEST_S = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364140 // 2


class SignableMessage(NamedTuple):
    """A message in the parts of EIP-191, as `eth-account` names them."""

    version: bytes
    header: bytes
    body: bytes


@dataclass(frozen=True)
class SigningDomain:
    """Where a signature counts: one ledger on one chain."""

    chain_id: int
    verifying_contract: str

    @cached_property
    def separator(self) -> bytes:
        """The EIP-712 domain separator, 32 bytes."""
        return keccak(
            encode_words(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [
                    keccak(_DOMAIN_TYPE.encode()),
                    keccak(b"T-FedRS"),
                    keccak(b"1"),
                    self.chain_id,
                    self.verifying_contract,
                ],
            )
        )


@dataclass(frozen=True)
class Score:
    """One peer's judgement of one update on one shard of the probe set.

    Attributes:
        subject: Account whose update was scored.
        commitment: What the subject had committed to, 32 bytes.
        shard: Digest of the probe shard, 32 bytes.
        ndcg_gain_wad: NDCG@10 with the update alone applied, less NDCG@10 of the model that was sent; 1e18 is 1.
        hit_gain_wad: The same for the hit ratio at 10.
    """

    subject: str
    commitment: bytes
    shard: bytes
    ndcg_gain_wad: int
    hit_gain_wad: int


def commitment_salt(account_key: bytes, run_id: bytes, server_round: int) -> bytes:
    """Return HMAC-SHA256(account key, run id || round as u64be): the same again after a crash, unknown to others."""
    return hmac.new(account_key, run_id + server_round.to_bytes(8, "big"), hashlib.sha256).digest()


def commitment_of(run_id: bytes, server_round: int, account: str, update_name: str, salt: bytes) -> bytes:
    """Return keccak256(abi.encode(runId, round, account, sha256(update bytes), salt)).

    Run, round and account stand in it against replay; the salt hides an update that somebody could guess. The update
    enters by the sha256 that names its object, in hex (docs/decisions/0002-commitment-hash.md).
    """
    return keccak(
        encode_words(
            ["bytes32", "uint64", "address", "bytes32", "bytes32"],
            [run_id, server_round, account, bytes.fromhex(update_name), salt],
        )
    )


def commitment_message(domain: SigningDomain, run_id: bytes, server_round: int, commitment: bytes) -> SignableMessage:
    """The message by which an account vouches for its commitment."""
    return _message(domain, _COMMITMENT_TYPE, ["bytes32", "uint64", "bytes32"], [run_id, server_round, commitment])


def score_message(domain: SigningDomain, run_id: bytes, server_round: int, score: Score) -> SignableMessage:
    """The message by which a peer vouches for a score."""
    return _message(
        domain,
        _SCORE_TYPE,
        ["bytes32", "uint64", "address", "bytes32", "bytes32", "int256", "int256"],
        [
            run_id,
            server_round,
            score.subject,
            score.commitment,
            score.shard,
            score.ndcg_gain_wad,
            score.hit_gain_wad,
        ],
    )


def node_binding_message(domain: SigningDomain, run_id: bytes, account: str, node_id: int) -> SignableMessage:
    """The message that ties Flower's node id to an account for one run."""
    return _message(domain, _NODE_BINDING_TYPE, ["bytes32", "address", "uint64"], [run_id, account, node_id])


def sign(message: SignableMessage, account_key: bytes) -> bytes:
    """Return the 65 bytes r || s || v."""
    return sign_hash(digest(message), account_key)


def check_signature(message: SignableMessage, signature: bytes, account: str) -> None:
    """Make sure that `account` signed `message`.

    Of the many ways to write down one signature only that of OpenZeppelin's ECDSA counts, v 27 or 28 and s in the lower
    half: so no byte of a recorded one can be altered unnoticed, and a contract accepts what was accepted here.

    Raises:
        Rejected: the signature is malformed or is somebody else's.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise Rejected(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    if signature[64] not in _V or int.from_bytes(signature[32:64], "big") > _GREATEST_S:
        raise Rejected("the signature is not in its one form: v 27 or 28, s in the lower half")
    try:
        signer = signer_of(digest(message), signature)
    except ValueError as error:
        raise Rejected("the signature is malformed") from error
    if signer != account:
        raise Rejected(f"the signature is that of {signer}, not of {account}")


def digest(message: SignableMessage) -> bytes:
    """Return the 32 bytes that are signed: keccak256(0x1901 || domain separator || struct hash)."""
    return keccak(b"\x19" + message.version + message.header + message.body)


def _message(domain: SigningDomain, type_string: str, types: list[str], values: list[object]) -> SignableMessage:
    struct_hash = keccak(encode_words(["bytes32", *types], [keccak(type_string.encode()), *values]))
    return SignableMessage(version=b"\x01", header=domain.separator, body=struct_hash)
