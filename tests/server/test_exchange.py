from collections.abc import Iterable

import pytest
from flwr.app import Error, Message, RecordDict
from google.protobuf.message import DecodeError

from client.app import build_app
from launch.in_process_grid import InProcessGrid
from server import exchange as exchange_module
from server import returning_nodes
from server.exchange import POLL_SECONDS, exchange
from server.returning_nodes import RETURN_SECONDS


class ScriptedGrid(InProcessGrid):
    """Nodes answer at the look that `answers_at` says, never where it says nothing; node 9 cannot be reached at all."""

    def __init__(
        self,
        answers_at: dict[int, int],
        errors: dict[int, str | None] | None = None,
        unreadable: dict[int, Exception] | None = None,
    ) -> None:
        super().__init__(build_app(), [], on_reply=lambda: None)
        self._answers_at = answers_at
        self._unreadable = unreadable or {}
        self._errors = errors or {}
        self._sent: dict[str, Message] = {}
        self._began = exchange_module.time.monotonic()
        self.looks = 0

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        message_ids = []
        for message in messages:
            node_id = message.metadata.dst_node_id
            message_ids.append("" if node_id == 9 else f"message-{node_id}")
            message.metadata.__dict__["_message_id"] = message_ids[-1]
            self._sent[message_ids[-1]] = message
        return message_ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        self.looks = 1 + round((exchange_module.time.monotonic() - self._began) / POLL_SECONDS)
        replies = []
        for message in [self._sent[message_id] for message_id in message_ids]:
            node_id = message.metadata.dst_node_id
            if self._answers_at.get(node_id) == self.looks:
                if node_id in self._unreadable:
                    raise self._unreadable[node_id]
                error = self._errors.get(node_id, "")
                content = RecordDict() if error == "" else Error(3, error)
                replies.append(Message(content, reply_to=message))
        return replies


def send(grid: ScriptedGrid, *nodes: int, timeout: float = 5.0):
    return exchange(grid, [Message(RecordDict(), dst_node_id=node, message_type="train") for node in nodes], timeout)


class Clock:
    """Time passes while somebody sleeps, and not otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (exchange_module, returning_nodes):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_replies_are_gathered_as_they_come() -> None:
    grid = ScriptedGrid({2: 1, 3: 4, 4: 2})
    replies = send(grid, 2, 3, 4)
    assert set(replies.contents) == {2, 3, 4}
    assert replies.failures == {}
    assert grid.looks == 4
    assert replies.seconds == pytest.approx(3 * POLL_SECONDS)


def test_a_node_that_does_not_answer_is_left_out_when_time_is_up() -> None:
    replies = send(ScriptedGrid({2: 1}), 2, 3, timeout=30.0)
    assert set(replies.contents) == {2}
    assert replies.failures == {3: "it did not answer within 30 s"}
    assert 30 < replies.seconds < 30 + 2 * POLL_SECONDS


def test_a_message_that_cannot_be_sent_is_a_failure_and_is_not_waited_for() -> None:
    replies = send(ScriptedGrid({2: 1}), 2, 9)
    assert replies.failures == {9: "the message could not be sent to it"}
    assert set(replies.contents) == {2}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Traceback\n  File x\nOSError: no space left\n", "its app failed: OSError: no space left"),
        (None, "its app failed: no reason given"),
        (" \n \n", "its app failed: no reason given"),
        ("x" * 5000, "its app failed: " + "x" * 300),
    ],
)
def test_an_error_is_recorded_by_its_last_line(reason: str | None, expected: str) -> None:
    assert send(ScriptedGrid({2: 1}, {2: reason}), 2).failures == {2: expected}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no JSON"),
        KeyError("x"),
        IndexError(),
        TypeError(),
        AttributeError(),
        DecodeError(),
        RecursionError(),
    ],
)
def test_a_reply_that_cannot_be_unpacked_is_a_failure_of_its_node_alone(error: Exception) -> None:
    replies = send(ScriptedGrid({2: 1, 3: 1, 4: 2}, unreadable={3: error}), 2, 3, 4)
    assert set(replies.contents) == {2, 4}
    assert replies.failures == {3: f"its reply cannot be unpacked: {type(error).__name__}"}


def test_a_superlink_that_is_gone_is_no_clients_fault() -> None:
    with pytest.raises(ConnectionError):
        send(ScriptedGrid({2: 1, 3: 1}, unreadable={3: ConnectionError()}), 2, 3)


def test_nobody_asked_is_nobody_waited_for() -> None:
    grid = ScriptedGrid({})
    assert send(grid).contents == {}
    assert grid.looks == 0


class FlickeringGrid(ScriptedGrid):
    """Every node is unavailable at the first look, and online again `back_after` seconds later."""

    def __init__(self, clock: Clock, back_after: dict[int, float]) -> None:
        super().__init__({})
        self._clock = clock
        self._back_after = back_after
        self.pushes: list[list[int]] = []

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        messages = list(messages)
        if messages:
            self.pushes.append([message.metadata.dst_node_id for message in messages])
        return [f"{name}-{len(self.pushes)}" for name in super().push_messages(messages)]

    def get_node_ids(self) -> list[int]:
        return [node for node, seconds in self._back_after.items() if self._clock.now - self._began >= seconds]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        (name,) = message_ids
        _, node, push = name.split("-")
        message = self._sent[f"message-{node}"]
        if push == "1":
            message.metadata.__dict__["_dst_node_id"] = int(node)
            return [Message(Error(5, "Node Unavailable"), reply_to=message)]
        return [Message(RecordDict(), reply_to=message)]


def test_a_node_that_comes_back_is_asked_again_once(clock: Clock) -> None:
    grid = FlickeringGrid(clock, {2: 0.0, 3: 20.0})
    replies = send(grid, 2, 3, timeout=180.0)
    assert set(replies.contents) == {2, 3}
    assert replies.failures == {}
    assert grid.pushes == [[2, 3], [2], [3]]
    assert replies.seconds == pytest.approx(20, abs=2 * POLL_SECONDS)


def test_a_node_that_stays_away_is_given_up_before_the_phase_is_over(clock: Clock) -> None:
    replies = send(FlickeringGrid(clock, {2: 0.0}), 2, 3, timeout=180.0)
    assert set(replies.contents) == {2}
    assert replies.failures == {3: "its app failed: Node Unavailable"}
    assert RETURN_SECONDS < replies.seconds < RETURN_SECONDS + 3 * POLL_SECONDS


def test_a_node_that_is_away_when_time_is_up_is_left_out(clock: Clock) -> None:
    replies = send(FlickeringGrid(clock, {2: 9.0}), 2, timeout=5.0)
    assert replies.failures == {2: "it did not answer within 5 s"}
