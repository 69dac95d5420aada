"""What hostile clients are made of: honest answers with one thing changed, and everything else in order."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client.app import CLIENT_DIR
from common.account import SigningAccount, load_account
from common.commitment import commitment_message, commitment_of, score_message, sign
from common.update import UPDATE_MAGIC, Packed, decode_update, encode_update, object_name
from common.wire import (
    PEER_EVALUATION,
    RoundTask,
    SignedScore,
    TrainReply,
    peer_reply_content,
    read_peer_reply,
    read_round_task,
    read_train_reply,
    train_reply_content,
)
from launch.preparation import draw_accounts
from tests.small_federation import LOST, SETTINGS, Act

BAD, OTHER = 2, 3
"""The clients that misbehave and that are misused, by number."""

ACCOUNTS = draw_accounts(SETTINGS, development=True).clients


def in_phase(message_type: str, act: Act) -> Act:
    """Misbehave in one kind of message and be honest in the others."""

    def choose(message: Message, context: Context, honest: ClientApp) -> Message:
        return (act if message.metadata.message_type == message_type else _honest)(message, context, honest)

    return choose


def in_round(server_round: int, act: Act) -> Act:
    """Misbehave in one round and be honest in the others, the last measurement included."""

    def choose(message: Message, context: Context, honest: ClientApp) -> Message:
        now = message.content.config_records["round"]["server-round"]
        cheats = now == server_round and message.metadata.message_type != "evaluate"
        return (act if cheats else _honest)(message, context, honest)

    return choose


def answering(content: RecordDict) -> Act:
    return lambda message, context, honest: Message(content, reply_to=message)


def failing(sentence: str) -> Act:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        raise OSError(sentence)

    return act


def staying_silent(message: Message, context: Context, honest: ClientApp) -> Message:
    return Message(LOST, reply_to=message)


# The reply to train


def changing_the_reply(change: Callable[[TrainReply, RoundTask, Context], TrainReply]) -> Act:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        reply = read_train_reply(honest(message, context).content)
        task = read_round_task(message.content)
        return Message(train_reply_content(change(reply, task, context)), reply_to=message)

    return in_phase("train", act)


def saying(**changed: Any) -> Act:
    """Change fields of the reply, and sign nothing anew."""
    return changing_the_reply(lambda reply, task, context: replace(reply, **changed))


def with_bytes(change: Callable[[bytes], bytes]) -> Act:
    """Send other bytes for an update, with a commitment to them."""
    return changing_the_reply(
        lambda reply, task, context: committed(reply, task, own_account(context), change(reply.update_bytes))
    )


def with_arrays(**changed: Callable[[Any], Any]) -> Act:
    """Send an update with some arrays changed; a new name adds an array, and None takes one away."""

    def change(data: bytes) -> bytes:
        packed = decode_update(data)
        arrays = packed.arrays | {name: of(packed.arrays.get(name)) for name, of in changed.items()}
        kept = {name: array for name, array in arrays.items() if array is not None}
        return encode_update(Packed(packed.model, packed.rows, kept))

    return with_bytes(change)


def with_header(change: Callable[[dict[str, Any]], Any]) -> Act:
    """Send the same arrays after a header that says something else; a header of bytes is taken as it stands."""

    def changed(data: bytes) -> bytes:
        (length,) = struct.unpack_from("<I", data, len(UPDATE_MAGIC))
        start = len(UPDATE_MAGIC) + 4
        header = change(json.loads(data[start : start + length]))
        raw = header if isinstance(header, bytes) else rfc8785.dumps(header)
        return UPDATE_MAGIC + struct.pack("<I", len(raw)) + raw + data[start + length :]

    return with_bytes(changed)


def with_first_array(**said: Any) -> Act:
    """Let the header say something else of the first array."""

    def change(header: dict[str, Any]) -> dict[str, Any]:
        header["arrays"][0].update(said)
        return header

    return with_header(change)


def committed(reply: TrainReply, task: RoundTask, account: SigningAccount, update_bytes: bytes) -> TrainReply:
    """The reply with another update, as `account` would commit to it in the round of `task`."""
    commitment = commitment_of(task.run_id, task.server_round, account.address, object_name(update_bytes), reply.salt)
    signed = commitment_message(task.domain, task.run_id, task.server_round, commitment)
    return replace(
        reply, update_bytes=update_bytes, commitment=commitment, commitment_signature=sign(signed, account.key)
    )


# The reply to evaluate.peer


def changing_the_scores(change: Callable[[list[SignedScore], RoundTask], list[SignedScore]]) -> Act:
    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        account, scores = read_peer_reply(honest(message, context).content)
        return Message(
            peer_reply_content(account, change(list(scores), read_round_task(message.content))), reply_to=message
        )

    return in_phase(PEER_EVALUATION, act)


def changing_the_first_score(key: bytes = ACCOUNTS[BAD].key, **changed: Any) -> Act:
    """Say something else in the first score, and sign it with `key`."""
    return changing_the_scores(lambda scores, task: [*signed_again(scores[:1], task, key, **changed), *scores[1:]])


def with_score_records(**changed: Any) -> Act:
    """Replace columns of the record of scores."""

    def act(message: Message, context: Context, honest: ClientApp) -> Message:
        content = honest(message, context).content
        for key, value in changed.items():
            content.config_records["scores"][key.replace("_", "-")] = value
        return Message(content, reply_to=message)

    return in_phase(PEER_EVALUATION, act)


def signed_again(scores: list[SignedScore], task: RoundTask, key: bytes, **changed: object) -> list[SignedScore]:
    again = [replace(signed.score, **changed) for signed in scores]
    return [
        SignedScore(score, sign(score_message(task.domain, task.run_id, task.server_round, score), key))
        for score in again
    ]


def own_account(context: Context) -> SigningAccount:
    return load_account(Path(str(context.node_config[CLIENT_DIR])))


def filled(value: float) -> Callable[[Any], Any]:
    """An array of the same form with every entry `value`."""
    return lambda array: np.full_like(array, value)


def entry(value: float, *, at: Mapping[int, int] | int = 0) -> Callable[[Any], Any]:
    """A copy with one entry, counted through, changed."""

    def change(array: Any) -> Any:
        copy = np.array(array)
        copy.flat[at] = value
        return copy

    return change


def _honest(message: Message, context: Context, honest: ClientApp) -> Message:
    return honest(message, context)
