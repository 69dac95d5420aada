"""Each rule for what a client sends, broken once: the reason names it, and nothing but `Rejected` is raised."""

import re
from dataclasses import replace

import numpy as np
import pytest

from common.account import development_account
from common.commitment import (
    Score,
    SigningDomain,
    commitment_message,
    commitment_of,
    commitment_salt,
    node_binding_message,
    score_message,
    sign,
)
from common.config import Settings
from common.errors import Rejected
from common.models import Arrays, model_of
from common.update import Packed, encode_update, object_name
from common.wire import RoundTask, SignedScore, TrainReply
from server import verification
from server.selection import Assignment
from server.verification import verify_node_binding, verify_scores, verify_update
from tests.common.data.random_data import make_rows

ITEMS = 20
SETTINGS = Settings(factors=3, compression="none")
MODEL = model_of(SETTINGS)
TASK = RoundTask(bytes([7]) * 32, 3, SigningDomain(31337, "0x" + "11" * 20), SETTINGS, b"not looked at")
ALICE, BOB, CAROL, DAVE = (development_account(1, index) for index in range(4))
COHORT = (ALICE.address, BOB.address)
NODE = 2**63 + 5
ELSEWHERE = [
    replace(TASK, run_id=bytes(32)),
    replace(TASK, server_round=2),
    replace(TASK, domain=SigningDomain(1, TASK.domain.verifying_contract)),
    replace(TASK, domain=SigningDomain(31337, "0x" + "22" * 20)),
]


def honest_arrays() -> Arrays:
    state = MODEL.initial_state(ITEMS, np.random.default_rng(1))
    return MODEL.local_step(state, make_rows([{0: 1, 3: 2}, {3: 1, 7: 1, 9: 5}], ITEMS))[0]


def reply_of(update_bytes: bytes, task: RoundTask = TASK, account=ALICE, key: bytes | None = None) -> TrainReply:
    """A reply that is consistent for `task`, signed with `key`, or the account's own."""
    key = key or account.key
    salt = commitment_salt(account.key, task.run_id, task.server_round)
    commitment = commitment_of(task.run_id, task.server_round, account.address, object_name(update_bytes), salt)
    return TrainReply(
        account.address,
        update_bytes,
        commitment,
        salt,
        sign(commitment_message(task.domain, task.run_id, task.server_round, commitment), key),
        sign(node_binding_message(task.domain, task.run_id, account.address, NODE), key),
        {},
    )


def update_bytes(arrays: Arrays, model: str = "ials", rows: int = ITEMS) -> bytes:
    return encode_update(Packed(model, rows, arrays))


HONEST = reply_of(update_bytes(honest_arrays()))


def verify(reply: TrainReply) -> None:
    verify_update(reply, TASK, MODEL, ITEMS)


def test_an_honest_update_passes_with_its_arrays() -> None:
    verify_node_binding(HONEST, NODE, TASK, COHORT)
    verified = verify_update(HONEST, TASK, MODEL, ITEMS)
    assert (verified.account, verified.commitment, verified.salt) == (ALICE.address, HONEST.commitment, HONEST.salt)
    for name, array in honest_arrays().items():
        assert np.array_equal(verified.arrays[name], array)


# The node


def test_an_account_outside_the_cohort_is_rejected() -> None:
    reply = reply_of(HONEST.update_bytes, account=CAROL)
    with pytest.raises(Rejected, match=f"{CAROL.address} is not registered for this run"):
        verify_node_binding(reply, NODE, TASK, COHORT)


def test_another_accounts_binding_is_rejected() -> None:
    with pytest.raises(Rejected, match=f"that of {ALICE.address}, not of {BOB.address}"):
        verify_node_binding(reply_of(HONEST.update_bytes, account=BOB, key=ALICE.key), NODE, TASK, COHORT)
    with pytest.raises(Rejected, match="node's binding is not signed by its sender: the signature is"):
        verify_node_binding(replace(HONEST, account=BOB.address), NODE, TASK, COHORT)


def test_a_binding_to_another_node_is_rejected() -> None:
    with pytest.raises(Rejected, match="node's binding is not signed by its sender: the signature is"):
        verify_node_binding(HONEST, NODE + 1, TASK, COHORT)


@pytest.mark.parametrize("elsewhere", [ELSEWHERE[0], ELSEWHERE[2], ELSEWHERE[3]])
def test_a_binding_of_another_run_or_ledger_is_rejected(elsewhere: RoundTask) -> None:
    with pytest.raises(Rejected, match="node's binding is not signed by its sender: the signature is"):
        verify_node_binding(HONEST, NODE, elsewhere, COHORT)


# The commitment


@pytest.mark.parametrize("elsewhere", ELSEWHERE[:2])
def test_an_update_of_another_run_or_round_is_rejected(elsewhere: RoundTask) -> None:
    with pytest.raises(Rejected, match="the commitment is not that of the update, for this run and round"):
        verify(reply_of(HONEST.update_bytes, elsewhere))


@pytest.mark.parametrize(
    "changed",
    [
        {"update_bytes": HONEST.update_bytes[:-1] + b"\x01"},
        {"salt": bytes(32)},
        {"commitment": bytes(32)},
        {"account": BOB.address},
    ],
)
def test_a_commitment_to_something_else_is_rejected(changed: dict[str, bytes]) -> None:
    with pytest.raises(Rejected, match="the commitment is not that of the update"):
        verify(replace(HONEST, **changed))


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_commitments_signature_from_elsewhere_is_rejected(elsewhere: RoundTask) -> None:
    message = commitment_message(elsewhere.domain, elsewhere.run_id, elsewhere.server_round, HONEST.commitment)
    with pytest.raises(Rejected, match="the signature is that of"):
        verify(replace(HONEST, commitment_signature=sign(message, ALICE.key)))


def test_a_commitment_signed_by_another_is_rejected() -> None:
    with pytest.raises(Rejected, match=f"that of {BOB.address}, not of {ALICE.address}"):
        verify(reply_of(HONEST.update_bytes, key=BOB.key))


@pytest.mark.parametrize("signature", [bytes(65), b"\xff" * 65, bytes(64)])
def test_a_malformed_signature_is_rejected(signature: bytes) -> None:
    with pytest.raises(Rejected, match="signature"):
        verify(replace(HONEST, commitment_signature=signature))


# The update


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (update_bytes(honest_arrays(), model="svd"), "for model 'svd'"),
        (update_bytes(honest_arrays(), rows=ITEMS + 1), f"with {ITEMS + 1} items"),
        (update_bytes({}), "must hold exactly the arrays"),
        (update_bytes(honest_arrays() | {"more": np.zeros(1)}), "must hold exactly the arrays"),
        (update_bytes(honest_arrays() | {"counts": np.zeros(2)}), "counts has not the type and shape"),
        (update_bytes(honest_arrays() | {"gram": np.eye(2)}), "gram has not the type and shape"),
        (update_bytes(honest_arrays() | {"gram": np.full((3, 3), np.nan)}), "gram matrix has an entry that is not fin"),
        (
            update_bytes(honest_arrays() | {"residual": np.full((4, 3), np.nan, np.float32)}),
            "a residual row is not finite",
        ),
        (update_bytes(honest_arrays() | {"users": np.zeros(1, np.uint32)}), "counts no users"),
        (HONEST.update_bytes[:-1], "is cut off"),
        (HONEST.update_bytes + b"\x00", "1 bytes follow"),
        (b"", "do not start with TFRSUPD1"),
        (b"TFRSMDL1" + HONEST.update_bytes[8:], "do not start with TFRSUPD1"),
        (update_bytes(honest_arrays(), model="m" * 65), "name is longer than 64"),
        (update_bytes(honest_arrays() | {"n" * 65: np.zeros(1)}), "name is longer than 64"),
    ],
)
def test_an_update_that_no_honest_client_sends_is_rejected(data: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        verify(reply_of(data))


def test_an_update_too_large_is_rejected_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MAX_UPDATE_BYTES", 100)
    with pytest.raises(Rejected, match="the update has 101 bytes, more than the 100 allowed"):
        verify(reply_of(bytes(101)))


# The scores

SHARDS = (bytes([1]) * 32, bytes([2]) * 32)
SUBJECTS = {BOB.address: bytes([8]) * 32, CAROL.address: bytes([9]) * 32}
ASKED = [
    Assignment(BOB.address, ALICE.address, SHARDS[0]),
    Assignment(CAROL.address, ALICE.address, SHARDS[1]),
]
GOOD = Score(BOB.address, SUBJECTS[BOB.address], SHARDS[0], 10**17, -(10**18))
OTHER = Score(CAROL.address, SUBJECTS[CAROL.address], SHARDS[1], -(10**18), 10**18)


def signed(score: Score, key: bytes = ALICE.key, task: RoundTask = TASK) -> SignedScore:
    return SignedScore(score, sign(score_message(task.domain, task.run_id, task.server_round, score), key))


def check(*scores: SignedScore) -> tuple[list[SignedScore], list[str]]:
    """What is kept of these and of the score of Carol, with which nothing is wrong."""
    return verify_scores(ALICE.address, [*scores, signed(OTHER)], ASKED, SUBJECTS, TASK)


def test_the_scores_that_were_asked_for_are_kept() -> None:
    assert check(signed(GOOD)) == ([signed(GOOD), signed(OTHER)], [])


def test_scores_that_did_not_come_are_named() -> None:
    assert check() == ([signed(OTHER)], [f"no score of {BOB.address}"])
    nothing = verify_scores(ALICE.address, [], ASKED, SUBJECTS, TASK)
    assert nothing == ([], [f"no score of {subject}" for subject in sorted((BOB.address, CAROL.address))])
    assert verify_scores(ALICE.address, [], [], {}, TASK) == ([], [])


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (replace(GOOD, subject=ALICE.address), "a score of itself"),
        (replace(GOOD, subject=DAVE.address), f"a score of {DAVE.address}, whose update it was not given"),
        (replace(GOOD, subject=CAROL.address), f"a score of {CAROL.address} on another shard"),
        (replace(GOOD, shard=SHARDS[1]), f"a score of {BOB.address} on another shard"),
        (replace(GOOD, commitment=bytes(32)), f"a score of {BOB.address} for another commitment"),
        (replace(GOOD, ndcg_gain_wad=10**18 + 1), r"outside \[-1, 1\]"),
        (replace(GOOD, hit_gain_wad=-(10**18) - 1), r"outside \[-1, 1\]"),
        (replace(GOOD, hit_gain_wad=2**255), r"outside \[-1, 1\]"),
        (replace(GOOD, ndcg_gain_wad=10**400), r"outside \[-1, 1\]"),
    ],
)
def test_a_score_that_breaks_a_rule_takes_the_others_with_it(score: Score, reason: str) -> None:
    # signed over something else where the values do not fit into 256 bits; that is noticed before the signature
    bad = SignedScore(score, signed(GOOD).signature)
    kept, (only,) = check(bad, signed(GOOD))
    assert kept == []
    assert re.search(reason, only)


def test_a_second_score_of_the_same_update_takes_the_others_with_it() -> None:
    kept, reasons = check(signed(GOOD), signed(replace(GOOD, ndcg_gain_wad=10**18)))
    assert kept == []
    assert reasons == [f"a second score of {BOB.address}"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_a_score_signed_for_elsewhere_is_left_out(elsewhere: RoundTask) -> None:
    kept, reasons = check(signed(GOOD, task=elsewhere))
    assert kept == []
    assert "the signature is that of" in reasons[0]


def test_a_score_signed_by_another_is_left_out() -> None:
    kept, reasons = check(signed(GOOD, key=BOB.key))
    signer = f"the signature is that of {BOB.address}, not of {ALICE.address}"
    assert (kept, reasons) == ([], [f"the score of {BOB.address} is not signed by its sender: {signer}"])


def test_a_signature_over_other_gains_is_left_out() -> None:
    kept, reasons = check(SignedScore(replace(GOOD, ndcg_gain_wad=10**18), signed(GOOD).signature))
    assert kept == []
    assert len(reasons) == 1
