"""A grid that tells the run's status who is asked, who has answered and who is online."""

from collections.abc import Iterable, Sequence
from typing import Any

from flwr.app import Message, MessageType
from flwr.serverapp import Grid

from common.introduction import INTRODUCTION
from common.wire import PEER_EVALUATION
from server.exchange import UNREADABLE
from server.run_status import Phase
from server.status_writer import StatusWriter

_PHASES: dict[str, Phase] = {
    INTRODUCTION: "introduce",
    MessageType.TRAIN: "train",
    PEER_EVALUATION: "score",
    MessageType.EVALUATE: "final",
}


class WatchedGrid(Grid):
    """Passes every call on to another grid. The phase follows from the kind of messages that are sent."""

    def __init__(self, grid: Grid, status: StatusWriter) -> None:
        self._grid = grid
        self._status = status
        self._asked: dict[str, int] = {}

    def set_run(self, *args: object, **kwargs: object) -> None:
        """See Flower."""
        self._grid.set_run(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def run(self) -> Any:
        """See Flower."""
        return self._grid.run

    def create_message(self, *args: object, **kwargs: object) -> Message:
        """Deprecated in Flower; build `Message` instead."""
        raise NotImplementedError("build flwr.app.Message directly")

    def get_node_ids(self) -> Iterable[int]:
        """Return the nodes that are online."""
        nodes = list(self._grid.get_node_ids())
        self._status.see_online(nodes)
        return nodes

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages of one kind, at most one a node; return their ids."""
        sent: Sequence[Message] = list(messages)
        nodes = [message.metadata.dst_node_id for message in sent]
        if sent and not self._asks_again(_PHASES[sent[0].metadata.message_type], nodes):
            self._asked = {}
            self._status.ask(_PHASES[sent[0].metadata.message_type], nodes)
        message_ids = list(self._grid.push_messages(sent))
        self._asked |= dict(zip(message_ids, nodes, strict=True))
        for message_id, node in zip(message_ids, nodes, strict=True):
            if not message_id:
                self._status.hear(node)  # nothing was sent, so nothing is waited for
        return message_ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that have come. One that cannot be unpacked raises, and is an answer all the same."""
        asked = list(message_ids)
        try:
            replies = list(self._grid.pull_messages(asked))
        except UNREADABLE:
            self._hear(asked)
            raise
        if len(asked) == 1 and replies:
            self._hear(asked)  # an error that stands for a lost node does not come from that node
        if self._status.look():
            self.get_node_ids()
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """See Flower; what happens meanwhile is not seen."""
        return self._grid.send_and_receive(messages, timeout=timeout)

    def _asks_again(self, phase: Phase, nodes: Sequence[int]) -> bool:
        """Note those who are asked a second time in a phase, because they were away; say whether they are such."""
        again = self._status.phase == phase and set(nodes) <= set(self._asked.values())
        if again:
            self._status.ask_again(nodes)
        return again

    def _hear(self, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            if message_id in self._asked:
                self._status.hear(self._asked[message_id])
