"""Write `protocol.json`: records of the protocol and their hashes, for Python and Solidity alike.

`python tests/vectors/make_protocol_vectors.py` rewrites the file. The hashes are computed here with nothing but
`eth_abi.encode`, `keccak` and sha256, straight from docs/protocol.md and not with the project's own code, so that three
implementations have to agree: this one, `common/` and `contracts/src/`.

Each entry but `domain` is a list of cases `{"inputs": ..., "expected": ...}`. Inputs are named as in Solidity; bytes
are "0x" and hex digits; integers are decimal strings, since JSON readers round large numbers.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_utils import keccak, to_checksum_address

VECTORS_FILE = Path(__file__).with_name("protocol.json")

# Where eth-tester's first account puts its second contract, on eth-tester's own chain: the test deploys there.
DOMAIN = {
    "name": "T-FedRS",
    "version": "1",
    "chainId": 131277322940537,
    "verifyingContract": "0x2946259E0334f33A064106302415aD3391BeD384",
}

MAX_UINT64 = 2**64 - 1
WAD = 10**18

Case = dict[str, Any]


def word(label: str) -> bytes:
    """Thirty-two bytes that look like a hash."""
    return keccak(text=label)


def accounts(count: int) -> list[str]:
    """So many accounts, ascending."""
    return [to_checksum_address(account) for account in sorted(word(f"account {i}")[:20] for i in range(count))]


def leaf(types: list[str], values: list[Any]) -> bytes:
    """A Merkle leaf: hashed twice."""
    return keccak(keccak(encode(types, values)))


def parent(left: bytes, right: bytes) -> bytes:
    """An inner node: the lesser child first, so that a proof needs no sides."""
    return keccak(min(left, right) + max(left, right))


def merkle_levels(leaves: list[bytes]) -> list[list[bytes]]:
    """All levels of a tree, the leaves first and the root last; the odd node of a level is promoted as it is."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[i : i + 2] for i in range(0, len(below), 2)]
        levels.append([parent(*pair) if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


def merkle_proof(levels: list[list[bytes]], index: int) -> list[bytes]:
    """The siblings of a leaf from the bottom to the top; a promoted node has none on its level."""
    proof = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        index //= 2
    return proof


def typed_data_digest(type_string: str, types: list[str], values: list[Any]) -> bytes:
    """The EIP-712 digest of a struct whose members are all atomic, under `DOMAIN`."""
    domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    separator = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                keccak(text=domain_type),
                keccak(text=str(DOMAIN["name"])),
                keccak(text=str(DOMAIN["version"])),
                DOMAIN["chainId"],
                DOMAIN["verifyingContract"],
            ],
        )
    )
    struct_hash = keccak(encode(["bytes32", *types], [keccak(text=type_string), *values]))
    return keccak(b"\x19\x01" + separator + struct_hash)


def as_json(value: Any) -> Any:
    """Bytes as hex digits, integers as decimal digits."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, list):
        return [as_json(element) for element in value]
    if isinstance(value, dict):
        return {key: as_json(element) for key, element in value.items()}
    return str(value)


def leaf_cases() -> dict[str, list[Case]]:
    """The four kinds of leaf, with the extremes of their types."""
    alice, bob = accounts(2)
    hashed: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
        "cohort_leaf": (
            ["uint256", "address"],
            [{"index": 0, "account": alice}, {"index": 999, "account": bob}],
        ),
        "commitment_leaf": (
            ["uint256", "address", "bytes32"],
            [
                {"index": 0, "account": alice, "commitment": word("commitment 0")},
                {"index": 1, "account": bob, "commitment": word("commitment 1")},
            ],
        ),
        "reputation_leaf": (
            ["uint256", "address", "int256", "uint256", "uint256", "uint256", "uint256"],
            [
                {
                    "index": i,
                    "account": account,
                    "consolidatedWad": consolidated_wad,
                    "calibratedWad": calibrated_wad,
                    "gateWad": gate_wad,
                    "smoothedWad": smoothed_wad,
                    "prefixWad": prefix_wad,
                }
                for i, account, consolidated_wad, calibrated_wad, gate_wad, smoothed_wad, prefix_wad in [
                    (0, alice, 12_345_678_901_234_567, WAD, WAD, WAD // 2, WAD // 2),
                    (1, bob, -WAD, 0, WAD // 3, 1, WAD // 2 + 1),
                    (2, bob, -1, 0, 0, 0, 0),
                ]
            ],
        ),
        "reward_leaf": (
            ["uint256", "address", "uint256"],
            [
                {"index": 0, "account": alice, "cumulativeWei": 0},
                {"index": 1, "account": bob, "cumulativeWei": 123 * WAD + 1},
                {"index": 2, "account": bob, "cumulativeWei": 2**256 - 1},
            ],
        ),
    }
    return {
        name: [{"inputs": inputs, "expected": leaf(types, list(inputs.values()))} for inputs in cases]
        for name, (types, cases) in hashed.items()
    }


def merkle_cases() -> list[Case]:
    """Reward trees of several shapes, with the proof of every leaf."""
    cases: list[Case] = []
    for count in (1, 2, 3, 5, 8, 11):
        rewards = [
            {"index": i, "account": account, "cumulativeWei": (i + 1) * WAD}
            for i, account in enumerate(accounts(count))
        ]
        leaves = [leaf(["uint256", "address", "uint256"], list(reward.values())) for reward in rewards]
        levels = merkle_levels(leaves)
        proofs = [merkle_proof(levels, index) for index in range(count)]
        cases.append(
            {
                "inputs": {"rewards": rewards, "leaves": leaves},
                "expected": {"root": levels[-1][0], "proofs": proofs},
            }
        )
    return cases


def commitment_cases() -> list[Case]:
    """The commitment itself, before it is signed or put into a leaf; with the update's bytes beside their hash."""
    alice, bob = accounts(2)
    update_bytes = b"the bytes of an update"
    cases: list[Case] = []
    for server_round, account in [(1, alice), (MAX_UINT64, bob)]:
        inputs = {
            "runId": word("run"),
            "round": server_round,
            "account": account,
            "updateHash": hashlib.sha256(update_bytes).digest(),
            "salt": word("salt"),
        }
        encoded = encode(["bytes32", "uint64", "address", "bytes32", "bytes32"], list(inputs.values()))
        cases.append({"update_bytes": update_bytes, "inputs": inputs, "expected": keccak(encoded)})
    return cases


def digest_cases() -> dict[str, list[Case]]:
    """What is signed; the extremes of `round` and of the gains included."""
    alice, bob = accounts(2)
    run_id = word("run")
    commitments = [(1, word("commitment 0")), (MAX_UINT64, word("commitment 1"))]
    settlements = [(1, word("settlement 0")), (MAX_UINT64, word("settlement 1"))]
    scores = [(1, alice, WAD, -WAD), (2, bob, -1, 0), (MAX_UINT64, bob, -(2**255), 2**255 - 1)]
    signed: list[tuple[str, str, list[dict[str, Any]]]] = [
        (
            "commitment_digest",
            "Commitment(bytes32 runId,uint64 round,bytes32 commitment)",
            [{"runId": run_id, "round": t, "commitment": commitment} for t, commitment in commitments],
        ),
        (
            "score_digest",
            "Score(bytes32 runId,uint64 round,address subject,bytes32 commitment,bytes32 shard,"
            "int256 ndcgGainWad,int256 hitGainWad)",
            [
                {
                    "runId": run_id,
                    "round": t,
                    "subject": subject,
                    "commitment": word("commitment 0"),
                    "shard": word("shard"),
                    "ndcgGainWad": ndcg_gain_wad,
                    "hitGainWad": hit_gain_wad,
                }
                for t, subject, ndcg_gain_wad, hit_gain_wad in scores
            ],
        ),
        (
            "settlement_digest",
            "Settlement(bytes32 runId,uint64 round,bytes32 settlementHash)",
            [{"runId": run_id, "round": t, "settlementHash": settlement} for t, settlement in settlements],
        ),
        (
            "node_binding_digest",
            "NodeBinding(bytes32 runId,address account,uint64 nodeId)",
            [{"runId": run_id, "account": account, "nodeId": MAX_UINT64} for account in (alice, bob)],
        ),
    ]
    cases: dict[str, list[Case]] = {}
    for name, type_string, records in signed:
        members = type_string.partition("(")[2].rstrip(")").split(",")
        types = [member.split()[0] for member in members]
        cases[name] = [
            {"inputs": inputs, "expected": typed_data_digest(type_string, types, list(inputs.values()))}
            for inputs in records
        ]
    return cases


def settlement_record(rewarded_wei: int) -> dict[str, Any]:
    """The five words that settle a round."""
    return {
        "evidenceRoot": word("evidence"),
        "reputationRoot": word("reputation"),
        "rewardRoot": word("rewards"),
        "nextModelHash": word("next model"),
        "rewardedWei": rewarded_wei,
    }


SETTLEMENT_TYPES = ["bytes32", "bytes32", "bytes32", "bytes32", "uint128"]


def settlement_cases() -> list[Case]:
    """What the coordinator signs the hash of."""
    return [
        {"inputs": inputs, "expected": keccak(encode(SETTLEMENT_TYPES, list(inputs.values())))}
        for inputs in (settlement_record(0), settlement_record(2**128 - 1))
    ]


def round_hash_cases() -> list[Case]:
    """The ledger's hash after each step of a run's opening and first round."""
    opening = {
        "runId": word("run"),
        "settingsHash": word("settings"),
        "seedAnchor": word("seed anchor"),
        "catalogueHash": word("catalogue"),
        "cohortRoot": word("cohort"),
    }
    settlement = settlement_record(7 * WAD)
    run = keccak(encode(["bytes32"] * 5, list(opening.values())))
    opened = keccak(encode(["bytes32", "bytes32", "uint64", "bytes32"], [run, word("run"), 1, word("model")]))
    committed = keccak(encode(["bytes32", "bytes32"], [opened, word("commitments")]))
    settled = keccak(encode(["bytes32", *SETTLEMENT_TYPES], [committed, *settlement.values()]))
    return [
        {
            "inputs": {
                "opening": opening,
                "round": 1,
                "modelHash": word("model"),
                "commitmentRoot": word("commitments"),
                "settlement": settlement,
            },
            "expected": {"run": run, "opened": opened, "committed": committed, "settled": settled},
        }
    ]


def vectors_text() -> str:
    """The whole file."""
    cases = {
        "commitment": commitment_cases(),
        **leaf_cases(),
        "merkle_root": merkle_cases(),
        "settlement_hash": settlement_cases(),
        **digest_cases(),
        "round_hash": round_hash_cases(),
    }
    return json.dumps({"domain": DOMAIN} | as_json(cases), indent=2) + "\n"


if __name__ == "__main__":
    VECTORS_FILE.write_text(vectors_text(), encoding="utf-8")
