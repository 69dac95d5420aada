"""Solidity's hashes against `tests/vectors/protocol.json`, to which Python's are tied as well."""

import runpy
from pathlib import Path

import pytest
from eth_utils import to_bytes

GENERATOR = Path(__file__).parents[1] / "vectors" / "make_protocol_vectors.py"

FUNCTIONS = {
    "commitment": "commitmentOf",
    "cohort_leaf": "cohortLeaf",
    "commitment_leaf": "commitmentLeaf",
    "reputation_leaf": "reputationLeaf",
    "reward_leaf": "rewardLeaf",
    "commitment_digest": "commitmentDigest",
    "score_digest": "scoreDigest",
    "settlement_digest": "settlementDigest",
    "node_binding_digest": "nodeBindingDigest",
}


@pytest.fixture
def ledger(embedded, deploy):
    coordinator = embedded.eth.accounts[0]
    token = deploy(embedded, "RewardToken", coordinator, 10**24)
    ledger = deploy(embedded, "RoundLedger", token.address, coordinator, coordinator, 0)
    token.functions.transfer(ledger.address, 10**23).transact({"from": coordinator})
    return ledger


def abi_value(abi_type, json_value):
    if abi_type == "bytes32":
        return to_bytes(hexstr=json_value)
    return int(json_value) if "int" in abi_type else json_value


def arguments(function, inputs):
    """The inputs in the order and types of the ABI; every parameter must be given, and nothing else."""
    names = [parameter["name"].rstrip("_") for parameter in function.abi["inputs"]]
    assert sorted(names) == sorted(inputs)
    return [
        abi_value(parameter["type"], inputs[name])
        for parameter, name in zip(function.abi["inputs"], names, strict=True)
    ]


def settlement_words(settlement):
    roots = ("evidenceRoot", "reputationRoot", "rewardRoot", "nextModelHash")
    return (*(to_bytes(hexstr=settlement[root]) for root in roots), int(settlement["rewardedWei"]))


def test_vectors_are_what_their_generator_writes():
    generator = runpy.run_path(str(GENERATOR))
    assert generator["VECTORS_FILE"].read_text(encoding="utf-8") == generator["vectors_text"]()


def test_ledger_signs_under_the_domain_of_the_vectors(ledger, vectors):
    domain = vectors["domain"]
    _, name, version, chain_id, contract, salt, extensions = ledger.functions.eip712Domain().call()

    assert (name, version) == (domain["name"], domain["version"])
    assert (chain_id, contract) == (domain["chainId"], domain["verifyingContract"])
    assert (salt, extensions) == (bytes(32), [])


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_solidity_hashes_records_as_expected(ledger, vectors, kind):
    function = ledger.functions[FUNCTIONS[kind]]
    for case in vectors[kind]:
        got = function(*arguments(function, case["inputs"])).call()
        assert got == to_bytes(hexstr=case["expected"]), case["inputs"]


def test_solidity_hashes_settlements_as_expected(ledger, vectors):
    for case in vectors["settlement_hash"]:
        got = ledger.functions.settlementHash(settlement_words(case["inputs"])).call()
        assert got == to_bytes(hexstr=case["expected"])


def test_every_merkle_proof_leads_to_its_root(ledger, vectors):
    for case in vectors["merkle_root"]:
        for leaf, proof in zip(case["inputs"]["leaves"], case["expected"]["proofs"], strict=True):
            root = ledger.functions.rootOf(to_bytes(hexstr=leaf), [to_bytes(hexstr=node) for node in proof]).call()
            assert root == to_bytes(hexstr=case["expected"]["root"])


def test_ledger_keeps_the_expected_hash_after_every_step(ledger, vectors, embedded):
    sender = {"from": embedded.eth.accounts[0]}
    for case in vectors["round_hash"]:
        inputs, expected = case["inputs"], case["expected"]
        run_id = to_bytes(hexstr=inputs["opening"]["runId"])
        server_round = int(inputs["round"])
        write = ledger.functions

        write.openRun(*(to_bytes(hexstr=value) for value in inputs["opening"].values())).transact(sender)
        assert write.roundHash(run_id, 0).call() == to_bytes(hexstr=expected["run"])
        write.openRound(run_id, server_round, to_bytes(hexstr=inputs["modelHash"])).transact(sender)
        assert write.roundHash(run_id, server_round).call() == to_bytes(hexstr=expected["opened"])
        write.commitUpdates(run_id, server_round, to_bytes(hexstr=inputs["commitmentRoot"])).transact(sender)
        assert write.roundHash(run_id, server_round).call() == to_bytes(hexstr=expected["committed"])
        write.settleRound(run_id, server_round, settlement_words(inputs["settlement"])).transact(sender)
        assert write.roundHash(run_id, server_round).call() == to_bytes(hexstr=expected["settled"])
