"""A Flower grid whose nodes live in this process: the real ClientApp answers at once, without a network."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path

from flwr.app import Context, Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from client.app import CLIENT_DIR

_RUN_ID = 1
_SERVER_NODE_ID = 1
_FIRST_NODE_ID = 2
_APP_FAILED = 2


class InProcessGrid(Grid):
    """Nodes 2, 3, ... are the given client folders, in their order; the app, a `ClientApp`, answers for all of them.

    Flower stamps every message with an identity that it keeps for the whole process, so the identity is switched to
    the node while its app runs. `on_reply` is called after each answer, for whoever shows progress. `cpu_seconds` adds
    up, by message type, what the nodes' apps have used of the processor. `before` is called once for all messages that
    are pushed together, with the folders that they are for; what it uses counts as the nodes'.
    """

    def __init__(
        self,
        app: Callable[[Message, Context], Message],
        client_dirs: Sequence[Path],
        on_reply: Callable[[], None],
        before: Callable[[Sequence[tuple[Path, Message]]], None] | None = None,
    ) -> None:
        self._app = app
        self._on_reply = on_reply
        self._before = before
        self._contexts = {
            node_id: Context(
                run_id=_RUN_ID,
                node_id=node_id,
                node_config={CLIENT_DIR: str(client_dir)},
                state=RecordDict(),
                run_config={},
            )
            for node_id, client_dir in enumerate(client_dirs, start=_FIRST_NODE_ID)
        }
        self._replies: dict[str, Message] = {}
        self._numbers = count(1)
        self.cpu_seconds: defaultdict[str, float] = defaultdict(float)
        self._become(_SERVER_NODE_ID)

    def set_run(self, run: object) -> None:
        """There is one run only."""

    @property
    def run(self) -> None:  # type: ignore[override]
        """There is no run of Flower's."""

    def create_message(self, *args: object, **kwargs: object) -> Message:
        """Deprecated in Flower; build `Message` instead."""
        raise NotImplementedError("build flwr.app.Message directly")

    def get_node_ids(self) -> Iterable[int]:
        """All nodes are always online."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Let every node answer, one after the other."""
        messages, message_ids = list(messages), []
        if self._before is not None and messages:
            began = time.process_time()
            self._before([(self._folder_of(message), message) for message in messages])
            self.cpu_seconds[messages[0].metadata.message_type] += time.process_time() - began
        for message in messages:
            # Flower's own grid names a message by the hash of its content, megabytes that need no hash in here.
            message_id = f"in-process-{next(self._numbers)}"
            message.metadata.__dict__["_message_id"] = message_id
            self._replies[message_id] = self._answer(message)
            self._on_reply()
            message_ids.append(message_id)
        return message_ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Hand out the replies that nobody has taken yet."""
        return [self._replies.pop(message_id) for message_id in message_ids if message_id in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Push and pull; nothing is ever late here."""
        del timeout
        return self.pull_messages(self.push_messages(messages))

    def _folder_of(self, message: Message) -> Path:
        return Path(str(self._contexts[message.metadata.dst_node_id].node_config[CLIENT_DIR]))

    def _answer(self, message: Message) -> Message:
        node_id = message.metadata.dst_node_id
        self._become(node_id)
        began = time.process_time()
        try:
            return self._app(message, self._contexts[node_id])
        except Exception as error:  # noqa: BLE001 - a node's failure is an error reply, as with real SuperNodes
            return Message(Error(_APP_FAILED, f"{type(error).__name__}: {error}"), reply_to=message)
        finally:
            self.cpu_seconds[message.metadata.message_type] += time.process_time() - began
            self._become(_SERVER_NODE_ID)

    @staticmethod
    def _become(node_id: int) -> None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, _RUN_ID, node_id
