"""One phase over Flower's grid: send all messages, gather replies until everybody answered or time is up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from flwr.app import Message
from flwr.serverapp import Grid
from google.protobuf.message import DecodeError

from server.returning_nodes import ReturningNodes

POLL_SECONDS = 0.2
"""Between two looks, if few replies are open."""
SECONDS_A_CALL = 0.02
"""Each open reply costs a call, of milliseconds here and at the SuperLink; with many open, looks are rarer."""
_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError, DecodeError)
"""What Flower raises for a reply whose parts are not what they claim to be. A lost SuperLink raises other errors."""


@dataclass
class Replies:
    """What came back in one phase, by the node that was asked.

    Attributes:
        contents: Replies that carry content.
        failures: Why a node has none: its error, or that it did not answer in time.
        seconds: How long the phase took.
    """

    contents: dict[int, Message] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def exchange(grid: Grid, messages: Sequence[Message], timeout: float) -> Replies:
    """Send `messages`, one a node, and wait for the replies.

    Flower's own `send_and_receive` sleeps three seconds between looks. A reply is tied to its node by the message it
    was asked for, because the error that stands for an unavailable node does not come from that node. Replies are
    asked for one by one: Flower unpacks them here, and one that cannot be unpacked takes all others of the same call
    with it.

    Args:
        grid: Flower's grid, or the in-process one.
        messages: At most one for each node.
        timeout: Seconds after which whoever has not answered is left out.
    """
    began = time.monotonic()
    replies = Replies()
    pending: dict[str, int] = {}
    away = ReturningNodes(grid, messages)
    for message, message_id in zip(messages, grid.push_messages(messages), strict=True):
        if message_id:
            pending[message_id] = message.metadata.dst_node_id
        else:
            replies.failures[message.metadata.dst_node_id] = "the message could not be sent to it"
    while pending or away:
        for message_id, node_id in list(pending.items()):
            try:
                answers = list(grid.pull_messages([message_id]))
            except _UNREADABLE as error:
                replies.failures[node_id] = f"its reply cannot be unpacked: {type(error).__name__}"
                del pending[message_id]
                continue
            for reply in answers[:1]:
                del pending[message_id]
                if not away.notice(node_id, reply):
                    _sort_in(replies, node_id, reply)
        pending |= away.ask_again()
        for node_id, reply in away.given_up().items():
            _sort_in(replies, node_id, reply)
        if (pending or away) and time.monotonic() - began > timeout:
            replies.failures |= dict.fromkeys((*pending.values(), *away), f"it did not answer within {timeout:g} s")
            break
        if pending or away:
            time.sleep(max(POLL_SECONDS, SECONDS_A_CALL * len(pending)))
    replies.seconds = time.monotonic() - began
    return replies


def _sort_in(replies: Replies, node_id: int, reply: Message) -> None:
    if reply.has_error():
        replies.failures[node_id] = f"its app failed: {_one_line(reply.error.reason)}"
    elif reply.has_content():
        replies.contents[node_id] = reply
    else:
        replies.failures[node_id] = "its reply is empty"


def _one_line(reason: str | None) -> str:
    lines = [line.strip() for line in (reason or "no reason given").splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given")[:300]
