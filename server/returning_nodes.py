"""Nodes that went away in the middle of a phase, and are asked again when they are back.

Flower delivers a message once. The SuperNode that had taken it and was killed knows nothing of it when it is started
again; the SuperLink answers in its place that it is unavailable. Asked again, it gives the reply that it had stored.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

RETURN_SECONDS = 30.0
"""How long who went away is waited for. Flower takes a minute to notice, so whoever is started again is soon back."""


class ReturningNodes:
    """Those of one phase."""

    def __init__(self, grid: Grid, messages: Sequence[Message]) -> None:
        self._grid = grid
        self._messages = {message.metadata.dst_node_id: message for message in messages}
        self._away: dict[int, tuple[Message, float]] = {}

    def __bool__(self) -> bool:
        return bool(self._away)

    def __iter__(self) -> Iterator[int]:
        return iter(self._away)

    def notice(self, node_id: int, reply: Message) -> bool:
        """Note a reply that says that its node is unavailable; return whether it does."""
        gone = bool(reply.has_error()) and reply.error.code == ErrorCode.NODE_UNAVAILABLE
        if gone:
            self._away[node_id] = reply, time.monotonic()
        return gone

    def ask_again(self) -> Mapping[str, int]:
        """Send their message once more to those who are back; return these by message id."""
        back = sorted(set(self._away) & set(self._grid.get_node_ids())) if self._away else []
        if not back:
            return {}
        again = []
        for node_id in back:
            message = self._messages[node_id]
            again.append(Message(message.content, dst_node_id=node_id, message_type=message.metadata.message_type))
        pushed = zip(self._grid.push_messages(again), back, strict=True)
        asked = {message_id: node_id for message_id, node_id in pushed if message_id}
        for node_id in asked.values():
            del self._away[node_id]
        return asked

    def given_up(self) -> Mapping[int, Message]:
        """Return, and forget, those who were away for too long, with the reply that stands for each."""
        now = time.monotonic()
        late = {node_id: reply for node_id, (reply, since) in self._away.items() if now - since > RETURN_SECONDS}
        for node_id in late:
            del self._away[node_id]
        return late
