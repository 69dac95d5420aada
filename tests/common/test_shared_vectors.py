"""Python's bytes against `tests/vectors/protocol.json`, to which Solidity's are tied in `tests/contracts`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from common.commitment import (
    Score,
    SigningDomain,
    commitment_message,
    commitment_of,
    digest,
    node_binding_message,
    score_message,
)
from common.merkle import (
    ascending,
    cohort_leaf,
    commitment_leaf,
    merkle_proof,
    merkle_root,
    reputation_leaf,
    reward_leaf,
    verify_proof,
)
from common.update import object_name
from server.ledger import Settlement
from server.round_hash import committed_hash, opened_hash, run_hash, settled_hash

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "protocol.json").read_text())
DOMAIN = SigningDomain(int(VECTORS["domain"]["chainId"]), VECTORS["domain"]["verifyingContract"])


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def values(inputs: dict[str, str]) -> list[Any]:
    """Inputs in their order: numbers, accounts and hashes are told apart by their form."""
    return [
        int(text) if not text.startswith("0x") else text if len(text) == 42 else raw(text) for text in inputs.values()
    ]


def settlement(record: dict[str, str]) -> Settlement:
    return Settlement(*values(record))


HASHES = {
    "cohort_leaf": cohort_leaf,
    "commitment_leaf": commitment_leaf,
    "reputation_leaf": reputation_leaf,
    "reward_leaf": reward_leaf,
    "commitment_digest": lambda *record: digest(commitment_message(DOMAIN, *record)),
    "score_digest": lambda run_id, t, *score: digest(score_message(DOMAIN, run_id, t, Score(*score))),
    "node_binding_digest": lambda *record: digest(node_binding_message(DOMAIN, *record)),
}


@pytest.mark.parametrize("kind", HASHES)
def test_python_hashes_records_as_expected(kind: str) -> None:
    for case in VECTORS[kind]:
        assert HASHES[kind](*values(case["inputs"])) == raw(case["expected"]), case["inputs"]


def test_every_kind_of_vector_is_looked_at_here() -> None:
    elsewhere = {"domain", "commitment", "merkle_root", "round_hash", "settlement_hash", "settlement_digest"}
    assert set(VECTORS) == set(HASHES) | elsewhere
    # the coordinator signs no settlement yet: those two are tied to Solidity alone
    assert (VECTORS["domain"]["name"], VECTORS["domain"]["version"]) == ("T-FedRS", "1")


def test_a_commitment_is_over_the_sha256_of_the_update() -> None:
    for case in VECTORS["commitment"]:
        run_id, server_round, account, update_hash, salt = values(case["inputs"])
        update_bytes = raw(case["update_bytes"])
        assert update_hash == hashlib.sha256(update_bytes).digest()
        assert commitment_of(run_id, server_round, account, object_name(update_bytes), salt) == raw(case["expected"])


def test_merkle_roots_and_proofs_are_as_expected() -> None:
    for case in VECTORS["merkle_root"]:
        rewards = [values(record) for record in case["inputs"]["rewards"]]
        leaves = [reward_leaf(*record) for record in rewards]
        accounts = [account for _, account, _ in rewards]
        root = raw(case["expected"]["root"])
        assert leaves == [raw(leaf) for leaf in case["inputs"]["leaves"]]
        assert accounts == list(ascending(accounts))
        assert merkle_root(leaves) == root
        for index, proof in enumerate(case["expected"]["proofs"]):
            assert merkle_proof(leaves, index) == [raw(node) for node in proof]
            assert verify_proof(leaves[index], merkle_proof(leaves, index), root)


def test_round_hashes_follow_the_ledgers() -> None:
    for case in VECTORS["round_hash"]:
        inputs, expected = case["inputs"], {step: raw(text) for step, text in case["expected"].items()}
        opening = [raw(text) for text in inputs["opening"].values()]
        assert run_hash(*opening) == expected["run"]
        opened = opened_hash(expected["run"], opening[0], int(inputs["round"]), raw(inputs["modelHash"]))
        assert opened == expected["opened"]
        assert committed_hash(opened, raw(inputs["commitmentRoot"])) == expected["committed"]
        assert settled_hash(expected["committed"], settlement(inputs["settlement"])) == expected["settled"]


def test_a_settlements_words_are_hashed_in_the_ledgers_order() -> None:
    committed = bytes(32)
    for case in VECTORS["settlement_hash"]:
        record = settlement(case["inputs"])
        words = [record.evidence_root, record.reputation_root, record.reward_root, record.next_model_hash]
        encoded = b"".join(words) + record.rewarded_wei.to_bytes(32, "big")
        assert keccak(encoded) == raw(case["expected"])
        assert settled_hash(committed, record) == keccak(committed + encoded)
