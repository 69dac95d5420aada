from pathlib import Path

import pytest
from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from launch.in_process_grid import InProcessGrid

SERVER = 1


@pytest.fixture(autouse=True)
def identity_of_this_process():
    """The grid takes it over for good; other tests shall not see that."""
    try:
        before = TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id
    except RuntimeError:  # nobody has taken one yet
        before = None
    yield
    if before is not None:
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = before


@pytest.fixture
def app():
    """Answers with the number of its node and of the calls it remembers; node 3 fails."""
    app = ClientApp()

    @app.train()
    def _train(message, context):
        if context.node_id == 3:
            raise ValueError("the disk is full")
        calls = context.state.metric_records.get("calls", MetricRecord({"count": 0}))
        context.state["calls"] = MetricRecord({"count": calls["count"] + 1})
        folder = context.node_config["client-dir"]
        figures = {"node": context.node_id, "identity": TaskIdentity.node_id, "calls": calls["count"] + 1}
        return Message(RecordDict({folder: MetricRecord(figures)}), reply_to=message)

    return app


@pytest.fixture
def replies_seen():
    return []


@pytest.fixture
def grid(app, replies_seen):
    return InProcessGrid(app, [Path("/a"), Path("/b"), Path("/c")], lambda: replies_seen.append(1))


def messages(*node_ids):
    return [Message(RecordDict(), dst_node_id=node_id, message_type="train") for node_id in node_ids]


def test_nodes_are_the_folders_in_their_order(grid):
    assert list(grid.get_node_ids()) == [2, 3, 4]
    replies = list(grid.send_and_receive(messages(4, 2)))
    assert [reply.metadata.src_node_id for reply in replies] == [4, 2]
    assert [dict(reply.content["/c"])["node"] for reply in replies[:1]] == [4]
    assert "/a" in replies[1].content


def test_an_app_speaks_as_its_node_and_the_server_as_itself_again(grid):
    assert TaskIdentity.node_id == SERVER
    (reply,) = grid.send_and_receive(messages(4))
    assert reply.content["/c"]["identity"] == 4
    assert TaskIdentity.node_id == SERVER


def test_a_failing_app_is_an_error_reply_and_the_server_is_itself_again(grid):
    replies = list(grid.send_and_receive(messages(2, 3, 4)))
    assert [reply.has_error() for reply in replies] == [False, True, False]
    assert "ValueError: the disk is full" in replies[1].error.reason
    assert replies[1].metadata.src_node_id == 3
    assert TaskIdentity.node_id == SERVER


def test_a_stop_is_not_an_error_reply(grid, app, monkeypatch):
    def interrupted(message, context):
        raise KeyboardInterrupt

    monkeypatch.setattr(grid, "_app", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grid.push_messages(messages(2))
    assert TaskIdentity.node_id == SERVER


def test_a_node_remembers_its_state_and_no_other_node_sees_it(grid):
    for _ in range(2):
        grid.send_and_receive(messages(2))
    first, second = grid.send_and_receive(messages(2, 4))
    assert (first.content["/a"]["calls"], second.content["/c"]["calls"]) == (3, 1)


def test_every_reply_is_handed_out_once_and_progress_is_told_of_each(grid, replies_seen):
    message_ids = list(grid.push_messages(messages(2, 3, 4)))
    assert len(set(message_ids)) == len(replies_seen) == 3
    assert len(list(grid.pull_messages(message_ids[:2]))) == 2
    assert [reply.metadata.reply_to_message_id for reply in grid.pull_messages(message_ids)] == message_ids[2:]
    assert list(grid.pull_messages([*message_ids, "unknown"])) == []


def test_processor_time_is_added_up_by_message_type(grid):
    grid.send_and_receive(messages(2, 3))
    assert grid.cpu_seconds.keys() == {"train"}
    assert grid.cpu_seconds["train"] > 0
