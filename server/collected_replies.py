"""What came back in each phase: checked, sorted by account, and the rest with its reason."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from logging import INFO

from flwr.common.logger import log

from common.errors import Rejected
from common.introduction import is_introduction, read_introduction
from common.models import Model
from common.wire import RoundTask, SignedScore, read_metrics, read_peer_reply, read_train_reply
from server.exchange import Replies
from server.recorded_reason import recorded_reason
from server.selection import Assignment
from server.verification import VerifiedUpdate, verify_node_binding, verify_scores, verify_update

Refusals = tuple[tuple[str, str], ...]
"""(account or node, reason) of what was left out."""


@dataclass(frozen=True)
class TrainPhase:
    """What the first phase brought: verified updates by ascending account, the nodes behind them, and the rest."""

    updates: Mapping[str, VerifiedUpdate]
    nodes: Mapping[str, int]
    rejected: Refusals


def collect_updates(
    replies: Replies, task: RoundTask, model: Model, item_count: int, cohort: Collection[str], needed: int
) -> TrainPhase:
    """Verify the replies to ``train``.

    Args:
        replies: By node.
        task: What was sent.
        model: `model.at(state)`, for the state that was sent.
        item_count: Size of the catalogue.
        cohort: The accounts that may take part, ascending.
        needed: With fewer updates than these the round has none.
    """
    updates: dict[str, VerifiedUpdate] = {}
    nodes: dict[str, int] = {}
    rejected = [(_node(node_id), reason) for node_id, reason in sorted(replies.failures.items())]
    for node_id, message in sorted(replies.contents.items()):
        sender = _node(node_id)
        try:
            if is_introduction(message.content):
                absent = read_introduction(message.content)
                verify_node_binding(absent, node_id, task, cohort)
                sender = absent.account
                raise Rejected(f"it sits this round out: {absent.absence or 'it gives no reason'}")
            reply = read_train_reply(message.content)
            verify_node_binding(reply, node_id, task, cohort)
            sender = reply.account  # only now: nobody can have a rejection recorded under another's account
            if sender in updates:
                raise Rejected("a second update from the same account")
            updates[sender] = verify_update(reply, task, model, item_count)
            nodes[sender] = node_id
        except Rejected as reason:
            rejected.append((sender, str(reason)))
    if len(updates) < needed:
        rejected += [(account, f"fewer than the {needed} updates that a round needs") for account in updates]
        updates = {}
    ordered = {account: updates[account] for account in cohort if account in updates}
    return TrainPhase(ordered, nodes, _recorded(rejected))


def collect_scores(
    replies: Replies, task: RoundTask, phase: TrainPhase, assignments: Iterable[Assignment]
) -> tuple[dict[str, list[SignedScore]], Refusals]:
    """Verify the replies to ``evaluate.peer``; return the valid scores by evaluator, and what was left out."""
    accounts = {node_id: account for account, node_id in phase.nodes.items()}
    tasks: dict[str, list[Assignment]] = {}
    for one in assignments:
        tasks.setdefault(one.evaluator, []).append(one)
    refused = [
        (account, "no scores: it has gone since the round began") for account in sorted(set(tasks) - set(phase.nodes))
    ]
    refused += [(accounts[node_id], f"no scores: {reason}") for node_id, reason in sorted(replies.failures.items())]
    commitments = {account: update.commitment for account, update in phase.updates.items()}
    scores: dict[str, list[SignedScore]] = {}
    for node_id, message in sorted(replies.contents.items()):
        evaluator = accounts[node_id]
        try:
            _, claimed = read_peer_reply(message.content)
        except Rejected as reason:
            refused.append((evaluator, f"no scores: {reason}"))
            continue
        scores[evaluator], reasons = verify_scores(evaluator, claimed, tasks[evaluator], commitments, task)
        refused += [(evaluator, reason) for reason in reasons]
    return scores, _recorded(refused)


def collect_metrics(replies: Replies) -> list[dict[str, float]]:
    """Collect the final figures; who sent none that can be read is left out of the mean."""
    figures = []
    for message in replies.contents.values():
        try:
            figures.append(read_metrics(message.content))
        except Rejected as reason:
            log(INFO, "final figures of a client are left out: %s", recorded_reason(str(reason)))
    return figures


def _node(node_id: int) -> str:
    return f"node {node_id}"


def _recorded(refused: Iterable[tuple[str, str]]) -> Refusals:
    return tuple((sender, recorded_reason(reason)) for sender, reason in refused)
