"""The honest app, except while training in one round, for the participants whose folders are named here."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client.app import CLIENT_DIR, build_app
from client.store import ParticipantFolder
from common.commitment import commitment_message, commitment_of, sign
from common.update import object_name
from common.wire import read_round_task, read_train_reply, train_reply_content

_honest = build_app()


class NotARecord(ConfigRecord):
    """Claims to be a record and holds something else, as a node can write it that does not use Flower's library."""

    def deflate(self) -> bytes:
        body = b"\xff\xff\xff nothing that a reader of records knows"
        return f"ConfigRecord  {len(body)}".encode() + b"\x00" + body


def truncate(message: Message, context: Context) -> Message:
    """Send half of the update, with a commitment to that half."""
    task = read_round_task(message.content)
    account = ParticipantFolder(Path(str(context.node_config[CLIENT_DIR]))).account
    reply = read_train_reply(_honest(message, context).content)
    half = reply.update_bytes[: len(reply.update_bytes) // 2]
    commitment = commitment_of(task.run_id, task.server_round, account.address, object_name(half), reply.salt)
    signed = commitment_message(task.domain, task.run_id, task.server_round, commitment)
    hostile = replace(reply, update_bytes=half, commitment=commitment, commitment_signature=sign(signed, account.key))
    return Message(train_reply_content(hostile), reply_to=message)


def exit_at_once(message: Message, context: Context) -> Message:
    """End the process without a word."""
    os._exit(1)


def send_no_records(message: Message, context: Context) -> Message:
    """Send a message that cannot be unpacked."""
    return Message(RecordDict({"signed": NotARecord({"account": "anybody"})}), reply_to=message)


_ACTS: dict[tuple[str, int], Callable[[Message, Context], Message]] = {
    ("client-02", 1): truncate,
    ("client-03", 1): send_no_records,
    ("client-04", 2): exit_at_once,  # in the last round: Flower keeps waiting for its process in those that follow
}


class HostileApp(ClientApp):
    """Hostile where the table says so, honest otherwise."""

    def __call__(self, message: Message, context: Context) -> Message:
        if message.metadata.message_type != "train":
            return _honest(message, context)
        participant = Path(str(context.node_config[CLIENT_DIR])).name
        return _ACTS.get((participant, read_round_task(message.content).server_round), _honest)(message, context)


app = HostileApp()
