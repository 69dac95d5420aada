"""What a client sent is checked before anything is done with it: each broken rule is one recorded reason."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from common.commitment import (
    SignableMessage,
    check_signature,
    commitment_message,
    commitment_of,
    node_binding_message,
    score_message,
)
from common.errors import Rejected
from common.introduction import Introduction
from common.models.model import Arrays, Model
from common.update import MAX_UPDATE_BYTES, object_name
from common.update_check import open_update
from common.wire import RoundTask, SignedScore, TrainReply
from server.selection import Assignment


@dataclass(frozen=True)
class VerifiedUpdate:
    """An update whose bytes, signatures, shapes and bounds hold; `name` is the sha256 of its bytes."""

    account: str
    update_bytes: bytes
    name: str
    arrays: Arrays
    commitment: bytes
    commitment_signature: bytes
    salt: bytes
    metrics: Mapping[str, float]


def verify_node_binding(
    claimed: TrainReply | Introduction, node_id: int, task: RoundTask, cohort: Collection[str]
) -> None:
    """Make sure that the node which answered speaks for the account that it names.

    Raises:
        Rejected: the account is not in the cohort, or did not sign for this node.
    """
    if claimed.account not in cohort:
        raise Rejected(f"account {claimed.account} is not registered for this run")
    binding = node_binding_message(task.domain, task.run_id, claimed.account, node_id)
    _check_signed("node's binding", binding, claimed.node_binding_signature, claimed.account)


def verify_update(reply: TrainReply, task: RoundTask, model: Model, item_count: int) -> VerifiedUpdate:
    """Check an update: its commitment is that of its bytes, for this run and round, and is signed; the bytes decode,
    are an update of this model and catalogue in the form that the run asks for, and keep the model's bounds.

    Raises:
        Rejected: the first rule that does not hold.
    """
    if len(reply.update_bytes) > MAX_UPDATE_BYTES:
        raise Rejected(f"the update has {len(reply.update_bytes)} bytes, more than the {MAX_UPDATE_BYTES} allowed")
    name = object_name(reply.update_bytes)
    expected = commitment_of(task.run_id, task.server_round, reply.account, name, reply.salt)
    if reply.commitment != expected:
        raise Rejected("the commitment is not that of the update, for this run and round")
    signed = commitment_message(task.domain, task.run_id, task.server_round, reply.commitment)
    _check_signed("commitment", signed, reply.commitment_signature, reply.account)
    arrays = open_update(task.settings, model, reply.update_bytes, item_count)
    return VerifiedUpdate(
        reply.account,
        reply.update_bytes,
        name,
        arrays,
        reply.commitment,
        reply.commitment_signature,
        reply.salt,
        reply.metrics,
    )


def verify_scores(
    evaluator: str,
    scores: Collection[SignedScore],
    assignments: Collection[Assignment],
    commitments: Mapping[str, bytes],
    task: RoundTask,
) -> tuple[list[SignedScore], list[str]]:
    """Take the scores that `evaluator` was asked for, once each, signed by it and within [-1, 1].

    One that breaks a rule takes the others with it, so that the public evidence shows that its sender owes scores. A
    task for which nothing at all came is one more reason: a missing score looks the same whoever left it out.

    Args:
        evaluator: Account of the node that answered.
        scores: What it sent.
        assignments: The evaluator's own tasks of this round.
        commitments: What each subject committed to.
        task: The round; signatures count for it alone.

    Returns:
        The scores, empty where one is not valid; and a reason for each that is not, and for each subject without any.
    """
    asked = {(assignment.subject, assignment.shard) for assignment in assignments}
    subjects = {assignment.subject for assignment in assignments}
    kept: list[SignedScore] = []
    reasons: list[str] = []
    for signed in scores:
        score = signed.score
        try:
            if score.subject == evaluator:
                raise Rejected("a score of itself")
            if score.subject not in subjects:
                raise Rejected(f"a score of {score.subject}, whose update it was not given")
            if score.subject in {one.score.subject for one in kept}:
                raise Rejected(f"a second score of {score.subject}")
            if (score.subject, score.shard) not in asked:
                raise Rejected(f"a score of {score.subject} on another shard of the probe set than it was asked for")
            if score.commitment != commitments[score.subject]:
                raise Rejected(f"a score of {score.subject} for another commitment")
            if not all(-(10**18) <= gain <= 10**18 for gain in (score.ndcg_gain_wad, score.hit_gain_wad)):
                raise Rejected(f"a score of {score.subject} outside [-1, 1]")
            message = score_message(task.domain, task.run_id, task.server_round, score)
            _check_signed(f"score of {score.subject}", message, signed.signature, evaluator)
        except Rejected as rejected:
            reasons.append(str(rejected))
        else:
            kept.append(signed)
    valid = [] if reasons else kept
    silent_about = subjects - {signed.score.subject for signed in scores}
    reasons += [f"no score of {subject}" for subject in sorted(silent_about)]
    return valid, reasons


def _check_signed(what: str, message: SignableMessage, signature: bytes, account: str) -> None:
    try:
        check_signature(message, signature, account)
    except Rejected as reason:
        raise Rejected(f"the {what} is not signed by its sender: {reason}") from reason
