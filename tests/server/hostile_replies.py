"""Replies to ``train`` that say something other than the truth about who sent what, when and for which run."""

from dataclasses import replace

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from client.app import CLIENT_DIR
from common.account import development_account
from common.commitment import commitment_message, node_binding_message, sign
from common.wire import RoundTask, TrainReply, read_round_task
from tests.server.hostile_acts import (
    ACCOUNTS,
    BAD,
    OTHER,
    answering,
    changing_the_reply,
    committed,
    failing,
    in_phase,
    own_account,
    saying,
    staying_silent,
)
from tests.server.hostile_client import EVERYWHERE, IALS, HostileClient, Verdict
from tests.small_federation import Act

_STRANGER = development_account(99, 7)


def _committing_for(run_id: bytes | None = None, rounds_later: int = 0) -> Act:
    """Commit to the right update for another run or round; the signature fits the commitment."""

    def change(reply: TrainReply, task: RoundTask, context: Context) -> TrainReply:
        elsewhere = replace(task, run_id=run_id or task.run_id, server_round=task.server_round + rounds_later)
        return committed(reply, elsewhere, own_account(context), reply.update_bytes)

    return changing_the_reply(change)


def _signing_with(key: bytes) -> Act:
    def change(reply: TrainReply, task: RoundTask, context: Context) -> TrainReply:
        message = commitment_message(task.domain, task.run_id, task.server_round, reply.commitment)
        return replace(reply, commitment_signature=sign(message, key))

    return changing_the_reply(change)


def _bound_to(key: bytes, account: str, *, nodes_on: int = 0, run_id: bytes | None = None) -> Act:
    def change(reply: TrainReply, task: RoundTask, context: Context) -> TrainReply:
        binding = node_binding_message(task.domain, run_id or task.run_id, account, context.node_id + nodes_on)
        return replace(reply, account=account, node_binding_signature=sign(binding, key))

    return changing_the_reply(change)


def _sending_round_1_again(*, anew: bool) -> Act:
    kept: dict[bytes, TrainReply] = {}

    def change(reply: TrainReply, task: RoundTask, context: Context) -> TrainReply:
        first = kept.setdefault(task.run_id, reply)
        if task.server_round != 2:
            return reply
        return committed(reply, task, own_account(context), first.update_bytes) if anew else first

    return changing_the_reply(change)


def _copying() -> Act:
    """Two clients that send what the first of them made, each with a commitment of its own."""
    made: dict[tuple[bytes, int], bytes] = {}

    def change(reply: TrainReply, task: RoundTask, context: Context) -> TrainReply:
        update_bytes = made.setdefault((task.run_id, task.server_round), reply.update_bytes)
        return committed(reply, task, own_account(context), update_bytes)

    return changing_the_reply(change)


def _with_records(message: Message, context: Context, honest: ClientApp) -> Message:
    content = honest(message, context).content
    strange = {f"strange-{number}": ConfigRecord({"x": [1, 2, 3], "y": b"\xff"}) for number in range(1000)}
    return Message(RecordDict({**content, **strange, "more": ArrayRecord()}), reply_to=message)


def _from_the_folder_of(client: int) -> Act:
    """Answer with the folder of another client: two nodes of one participant."""

    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        folder = str(context.node_config[CLIENT_DIR]).replace(f"client-{OTHER + 1:02d}", f"client-{client + 1:02d}")
        twin = Context(context.run_id, context.node_id, {CLIENT_DIR: folder}, context.state, context.run_config)
        return honest(message, twin)

    return act


def _only_in_round_1(act: Act) -> Act:
    def choose(message: Message, context: Context, honest: ClientApp) -> Message:
        first = read_round_task(message.content).server_round == 1
        return act(message, context, honest) if first else honest(message, context)

    return in_phase("train", choose)


_NO_METRIC = "^a metric is not one number with a short name of letters, digits and hyphens$"
_same = _copying()

SIGNED = (
    HostileClient(
        does="commits to something else",
        act=saying(commitment=bytes(32)),
        reason="^the commitment is not that of the update, for this run and round$",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="commits for another round",
        act=_committing_for(rounds_later=1),
        reason="^the commitment is not that of the update, for this run and round$",
    ),
    HostileClient(
        does="commits for another run",
        act=_committing_for(run_id=bytes(32)),
        reason="^the commitment is not that of the update, for this run and round$",
    ),
    HostileClient(
        does="sends its reply of an earlier round again",
        act=_sending_round_1_again(anew=False),
        reason="^the commitment is not that of the update, for this run and round$",
        kinds=EVERYWHERE,
        cheats_in=2,
    ),
    HostileClient(
        does="sends its update of an earlier round with a new commitment",
        act=_sending_round_1_again(anew=True),
        reason="",
        verdict=Verdict.JUDGED,
        kinds=IALS,
        cheats_in=2,
    ),
    HostileClient(
        does="sends the same update as another client",
        act=_same,
        also={OTHER: _same},
        pays=(BAD, OTHER),
        reason="^the same bytes as another client's update$",
        verdict=Verdict.GATED,
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="does not sign its commitment",
        act=saying(commitment_signature=bytes(65)),
        reason="^the commitment is not signed by its sender: the signature is not in its one form: v 27 or 28, ",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="has its commitment signed by another client",
        act=_signing_with(ACCOUNTS[OTHER].key),
        reason="^the commitment is not signed by its sender: the signature is that of 0x.*, not of 0x",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="speaks for an account that is not registered",
        act=_bound_to(_STRANGER.key, _STRANGER.address),
        reason="^account 0x[0-9a-fA-F]{40} is not registered for this run$",
        proves_itself=False,
    ),
    HostileClient(
        does="speaks for another client",
        act=_bound_to(ACCOUNTS[BAD].key, ACCOUNTS[OTHER].address),
        reason="^the node's binding is not signed by its sender: the signature is that of 0x.*, not of 0x",
        proves_itself=False,
    ),
    HostileClient(
        does="answers from another node than the one it signed for",
        act=_bound_to(ACCOUNTS[BAD].key, ACCOUNTS[BAD].address, nodes_on=1),
        reason="^the node's binding is not signed by its sender: the signature is that of 0x.*, not of 0x",
        proves_itself=False,
    ),
    HostileClient(
        does="binds its node to another run",
        act=_bound_to(ACCOUNTS[BAD].key, ACCOUNTS[BAD].address, run_id=bytes(32)),
        reason="^the node's binding is not signed by its sender: the signature is that of 0x.*, not of 0x",
        proves_itself=False,
    ),
    HostileClient(
        does="answers from two nodes",
        act=saying(),
        also={OTHER: _only_in_round_1(_from_the_folder_of(BAD))},
        pays=(OTHER,),
        reason="^a second update from the same account$",
    ),
)

FORMED = (
    HostileClient(does="does not answer", act=staying_silent, reason="^it did not answer within ", proves_itself=False),
    HostileClient(
        does="fails",
        act=failing("no space left\x1b[2J on device"),
        reason=r"^its app failed: OSError: no space left\?\[2J on device$",
        proves_itself=False,
    ),
    HostileClient(
        does="answers with nothing",
        act=answering(RecordDict()),
        reason="^the message has no record 'signed'$",
        proves_itself=False,
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="answers with records of other kinds",
        act=answering(RecordDict({"signed": MetricRecord({"account": 7}), "update": ConfigRecord({"bytes": b""})})),
        reason="^the message has no record 'signed'$",
        proves_itself=False,
    ),
    HostileClient(
        does="gives a number for its account",
        act=answering(RecordDict({"signed": ConfigRecord({"account": 7})})),
        reason="^'account' is not an address with its checksum$",
        proves_itself=False,
    ),
    HostileClient(
        does="adds a thousand records that nobody asked for",
        act=in_phase("train", _with_records),
        reason="",
        verdict=Verdict.JUDGED,
    ),
    *(
        HostileClient(
            does=f"reports {what}",
            act=saying(metrics=metrics),
            reason=reason,
            proves_itself=False,
        )
        for what, metrics, reason in (
            ("NaN users", {"test_users": float("nan")}, r"^metric 'test-users' is not in \[0, 1e\+09\]$"),
            ("a negative accuracy", {"test_ndcg_at_10": -1.0}, r"^metric 'test-ndcg-at-10' is not in \[0, 1e\+09\]$"),
            (
                "that its users see more than can be",
                {"test_personal_ndcg_at_10": float("inf")},
                r"^metric 'test-personal-ndcg-at-10' is not in \[0, 1e\+09\]$",
            ),
            ("1e300 users", {"test_users": 1e300}, r"^metric 'test-users' is not in \[0, 1e\+09\]$"),
            (
                "thousands of metrics",
                {f"m{number}": 1.0 for number in range(5000)},
                "^the record of metrics is too long: 5000 of them, at most 256 are read$",
            ),
            (
                "a metric with a name of 5,000 letters",
                {"m" * 5000: 1.0},
                _NO_METRIC,
            ),
            ("a metric with a name that nobody can read", {"\x1b[2J": 1.0}, _NO_METRIC),
            (
                "a list for a metric",
                {"test_users": np.ones(3).tolist()},
                _NO_METRIC,
            ),
        )
    ),
)

REPLIES = (*SIGNED, *FORMED)
