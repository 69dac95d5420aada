"""status.json says, at every moment of a run, what goes on and who is waited for."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from common.errors import CheckFailed
from launch.in_process_grid import InProcessGrid
from server.memory_ledger import MemoryLedger
from server.run_status import SILENT_SECONDS, STATUS_FILE, RunStatus, read_status
from server.status_writer import StatusWriter
from server.watched_grid import WatchedGrid
from tests.small_federation import SmallFederation, node_of

RUN_ID = bytes(32)


def status_in(folder: Path) -> RunStatus:
    status = read_status(folder)
    assert status is not None
    return status


def writer(folder: Path) -> StatusWriter:
    return StatusWriter(folder, RUN_ID, rounds=4, settled_rounds=2, phase_timeout=30.0)


def message_to(node: int) -> Message:
    return Message(RecordDict({"x": ConfigRecord({})}), dst_node_id=node, message_type=MessageType.TRAIN)


class Nodes(InProcessGrid):
    """Three nodes, of which only some are online and have answered."""

    def __init__(self) -> None:
        self.online: list[int] = []
        self.answered: set[str] = set()

    def get_node_ids(self) -> Iterable[int]:
        return self.online

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return ["" if message.metadata.dst_node_id == 9 else f"m{message.metadata.dst_node_id}" for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        (message_id,) = message_ids
        if message_id == "m8":
            raise ValueError("no protobuf")
        return [message_to(int(message_id[1:]))] if message_id in self.answered else []


def test_each_phase_of_a_run_is_told_with_who_is_waited_for(small: SmallFederation, tmp_path: Path) -> None:
    seen: list[RunStatus] = []

    def look(message: Any, context: Any, honest: Any) -> Any:
        seen.append(status_in(tmp_path))
        return honest(message, context)

    report = small.play(tmp_path, acts={0: look}).report
    everybody = {node_of(client) for client in range(5)}
    assert [(one.server_round, one.phase) for one in seen] == [
        *((1, "train"), (1, "score"), (2, "train"), (2, "score"), (2, "final")),
    ]
    assert all(set(one.waiting_for) == set(one.asked) <= everybody for one in seen)
    assert [one.settled_rounds for one in seen] == [0, 0, 1, 1, 2]
    assert seen[1].accounts == {node_of(client): small.accounts[client].address for client in range(5)}
    assert all(one.life(time.time()) == "running" for one in seen)
    assert all(one.deadline is not None and one.deadline > one.phase_began for one in seen)
    last = status_in(tmp_path)
    assert (last.phase, last.settled_rounds, last.run_id) == ("done", 2, report["ledger"]["run_id"])
    assert last.last_settled is not None
    assert last.life(time.time()) == "ended"


def test_waiting_for_nodes_says_how_many_there_are_and_are_needed(tmp_path: Path) -> None:
    nodes = Nodes()
    with writer(tmp_path) as status:
        status.wait_for_nodes(3, needed=3)
        nodes.online = [7]
        WatchedGrid(nodes, status).get_node_ids()
        time.sleep(0.6)
        status.look()
    waiting = status_in(tmp_path)
    assert (waiting.phase, waiting.server_round, waiting.online, waiting.needed) == ("waiting", 3, 1, 3)


def test_who_is_asked_again_is_waited_for_beside_the_others(tmp_path: Path) -> None:
    nodes = Nodes()
    with writer(tmp_path) as status:
        grid = WatchedGrid(nodes, status)
        first = list(grid.push_messages(map(message_to, (6, 7))))
        nodes.answered = {"m6", "m7"}
        list(grid.pull_messages([first[0]]))
        grid.push_messages([message_to(6)])
        time.sleep(0.6)
        status.look(changed=True)
        assert set(status_in(tmp_path).waiting_for) == {6, 7}
        list(grid.pull_messages([first[1]]))
        time.sleep(0.6)
        status.look(changed=True)
        assert status_in(tmp_path).waiting_for == (6,)
        assert status_in(tmp_path).asked == (6, 7)


def test_whoever_has_answered_is_not_waited_for(tmp_path: Path) -> None:
    nodes = Nodes()
    with writer(tmp_path) as status:
        grid = WatchedGrid(nodes, status)
        ids = list(grid.push_messages(map(message_to, (6, 7, 8, 9))))
        assert ids == ["m6", "m7", "m8", ""]
        nodes.answered = {"m7"}
        for message_id in ids[:2]:
            list(grid.pull_messages([message_id]))
        with pytest.raises(ValueError, match="protobuf"):
            grid.pull_messages(["m8"])
        time.sleep(0.6)
        status.look()
        now = status_in(tmp_path)
    assert now.asked == (6, 7, 8, 9)
    assert now.waiting_for == (6,)  # 7 answered, 8 cannot be unpacked, to 9 nothing could be sent


def test_a_failure_is_told_in_one_line_and_goes_on_its_way(small: SmallFederation, tmp_path: Path) -> None:
    class Broken(MemoryLedger):
        def commit_updates(self, *args: Any) -> Any:
            raise OSError("the chain\nis \x1b[31mgone")

    ledger = Broken(treasury_wei=10**24)
    ledger.register_for([account.address for account in small.accounts], 0)
    with pytest.raises(OSError, match="gone"):
        small.play(tmp_path, ledger)
    status = status_in(tmp_path)
    assert (status.phase, status.server_round, status.reason) == ("failed", 1, "OSError: the chain is ?[31mgone")


def test_a_process_that_has_gone_is_told_from_one_that_runs(tmp_path: Path) -> None:
    writer(tmp_path)
    now = time.time()
    status = status_in(tmp_path)
    assert status.life(now) == "running"
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert replace(status, pid=gone.pid, started_ticks=1).life(now) == "dead"
    # a later process that got the same number
    assert replace(status, started_ticks=(status.started_ticks or 0) + 1).life(now) == "dead"
    elsewhere = replace(status, host="another" + platform.node())
    assert elsewhere.life(status.updated + 1) == "running"
    assert elsewhere.life(status.updated + SILENT_SECONDS + 1) == "silent"


def test_many_replies_cost_few_writes_and_the_last_is_not_forgotten(tmp_path: Path) -> None:
    with writer(tmp_path) as status:
        status.ask("train", range(1000))
        written = set()
        for node in range(1000):
            status.hear(node)
            written.add((tmp_path / STATUS_FILE).stat().st_mtime_ns)
        time.sleep(0.6)
        status.look()
        assert status_in(tmp_path).waiting_for == ()
    assert len(written) < 20


def test_a_status_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file stands in the way")
    with writer(tmp_path / "run") as status:
        status.wait_for_nodes(3, needed=3)
        status.done()
    assert (tmp_path / "run").read_text() == "a file stands in the way"


def test_a_run_that_is_taken_up_again_knows_when_it_last_settled(tmp_path: Path) -> None:
    with writer(tmp_path) as status:
        status.settled(3)
    before = status_in(tmp_path).last_settled
    writer(tmp_path)
    assert status_in(tmp_path).last_settled == before
    StatusWriter(tmp_path, bytes([1]) * 32, rounds=4, settled_rounds=0, phase_timeout=1.0)
    assert status_in(tmp_path).last_settled is None


def test_there_is_no_status_before_a_run(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None


def test_the_status_comes_back_as_it_was_written(tmp_path: Path) -> None:
    with writer(tmp_path) as status:
        status.know({"0xAb": 2**64 - 1})
        status.ask("score", [2**64 - 1])
        read = status_in(tmp_path)
    assert (read.asked, read.accounts, read.pid) == ((2**64 - 1,), {2**64 - 1: "0xAb"}, os.getpid())
    (tmp_path / STATUS_FILE).write_bytes(read.to_bytes())
    assert status_in(tmp_path) == read


@given(st.data())
def test_a_damaged_status_is_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    writer(folder)
    path = folder / STATUS_FILE
    record = json.loads(path.read_bytes())
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(
        st.one_of(st.none(), st.integers(), st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.none()))
    )
    path.write_text(json.dumps(record))
    try:
        read_status(folder)
    except CheckFailed as error:
        assert "remove it" in str(error)
