"""What a client remembers: one answer a round, whatever comes between, and whichever version wrote it."""

import json
import multiprocessing
import os
import shutil
import signal
import stat
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client import training
from client.state import FORMAT, ClientState, run_name
from client.store import ParticipantFolder
from client.training import measure, train
from common.atomic_file import write_atomically
from common.data.array_file import save_arrays
from common.errors import EnvironmentFailure, WrongUse
from common.models import model_of
from common.update import decode_model, object_name
from common.wire import RoundTask

NODE = 3
FORMAT_0 = Path(__file__).parent / "format_0"
"""Replies to rounds 1 and 2 of the fixture's task, as the last version without a `state.json` left them."""


def in_round(task: RoundTask, server_round: int) -> RoundTask:
    return replace(task, server_round=server_round)


def test_an_answered_round_is_not_answered_again_after_its_reply_was_removed(
    task: RoundTask, folder: ParticipantFolder
) -> None:
    for server_round in (1, 2, 3):
        train(in_round(task, server_round), NODE, folder)
    with pytest.raises(WrongUse, match="Round 1 was already answered, and that reply is no longer kept; start a new"):
        train(in_round(task, 1), NODE, folder)
    train(in_round(task, 4), NODE, folder)


def test_replies_of_many_interrupted_runs_do_not_pile_up(task: RoundTask, folder: ParticipantFolder) -> None:
    runs = [bytes([number]) * 32 for number in range(1, 8)]
    for run_id in runs:
        train(replace(task, run_id=run_id), NODE, folder)
    path = folder.path
    assert sorted(one.name for one in (path / "replies").iterdir()) == [run_name(run_id) for run_id in runs[-4:]]
    assert ClientState.load(path).answered == {run_name(run_id): 1 for run_id in runs}
    with pytest.raises(WrongUse, match="no longer kept"):
        train(replace(task, run_id=runs[0]), NODE, folder)


def test_a_round_that_was_missed_leaves_no_older_reply_behind(task: RoundTask, folder: ParticipantFolder) -> None:
    for server_round in (1, 2, 9):
        train(in_round(task, server_round), NODE, folder)
    rounds = folder.path / "replies" / run_name(task.run_id)
    assert sorted(one.name for one in rounds.iterdir()) == ["round-0002", "round-0009"]


def test_what_a_kill_left_is_removed_with_the_next_reply(task: RoundTask, folder: ParticipantFolder) -> None:
    reply_folder = folder.path / "replies" / run_name(task.run_id) / "round-0001"
    reply_folder.mkdir(parents=True)
    left = [reply_folder / ".update.bin.0123abcd", folder.path / ".state.json.89abcdef"]
    other = folder.path / ".node.key.0123abcd"  # the launcher's, which may be writing it
    for path in (*left, other):
        path.write_bytes(b"half")
    train(task, NODE, folder)
    assert [path.exists() for path in (*left, other)] == [False, False, True]


def test_the_replies_of_a_version_without_a_state_are_found(task: RoundTask, folder: ParticipantFolder) -> None:
    shutil.copytree(FORMAT_0, folder.path, dirs_exist_ok=True)
    saved = json.loads((folder.path / "replies" / run_name(task.run_id) / "round-0002" / "reply.json").read_bytes())
    assert train(in_round(task, 2), NODE, folder).commitment.hex() == saved["commitment"]
    assert not (folder.path / "state.json").exists()  # nothing was answered
    shutil.rmtree(folder.path / "replies" / run_name(task.run_id) / "round-0001")
    with pytest.raises(WrongUse, match="Round 1 was already answered, and that reply is no longer kept"):
        train(in_round(task, 1), NODE, folder)
    train(in_round(task, 3), NODE, folder)
    state = json.loads((folder.path / "state.json").read_bytes())
    assert state == {"format": FORMAT, "answered": {run_name(task.run_id): 3}}


def test_the_fixture_of_format_0_is_what_an_honest_client_answers(task: RoundTask, folder: ParticipantFolder) -> None:
    for server_round in (1, 2):
        reply = train(in_round(task, server_round), NODE, folder)
        kept = FORMAT_0 / "replies" / run_name(task.run_id) / f"round-{server_round:04d}"
        assert reply.update_bytes == (kept / "update.bin").read_bytes()
        assert reply.commitment.hex() == json.loads((kept / "reply.json").read_bytes())["commitment"]


def test_the_state_of_a_newer_version_is_refused_in_one_sentence(task: RoundTask, folder: ParticipantFolder) -> None:
    (folder.path / "state.json").write_text(json.dumps({"format": FORMAT + 1, "runs": []}))
    with pytest.raises(
        WrongUse, match=r"state\.json has format 2, and this version reads formats up to 1; install the"
    ):
        train(task, NODE, folder)
    assert not (folder.path / "replies").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"format": -1}', b'{"format": 1.0}', b'{"format": true}', b'{"format": 1}']
    + [b'{"format": 1, "answered": %s}' % value for value in (b"[]", b'{"a": 0}', b'{"a": "1"}', b'{"a": true}')],
)
def test_a_damaged_state_is_one_sentence(task: RoundTask, folder: ParticipantFolder, content: bytes) -> None:
    (folder.path / "state.json").write_bytes(content)
    with pytest.raises(WrongUse, match=r"state\.json cannot be read \(.*\); restore it from a backup\.$"):
        train(task, NODE, folder)


def test_user_vectors_are_those_of_the_last_model_and_private(task: RoundTask, folder: ParticipantFolder) -> None:
    assert folder.user_vectors() is None
    train(task, NODE, folder)
    model, state = model_of(task.settings), decode_model(task.model_bytes).arrays
    kept = folder.user_vectors()
    assert kept is not None
    assert kept.model == object_name(task.model_bytes)
    assert kept.vectors.tobytes() == model.fold_in(state, folder.part.train).tobytes()
    assert kept.vectors.shape == (len(folder.part.user_ids), task.settings.factors)
    path = folder.path / "user-vectors.npz"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    measure(task, folder)
    again = folder.user_vectors()
    assert again is not None
    assert again.vectors.tobytes() == kept.vectors.tobytes()


def test_user_vectors_that_cannot_be_right_are_one_sentence(task: RoundTask, folder: ParticipantFolder) -> None:
    path, users = folder.path / "user-vectors.npz", len(folder.part.user_ids)
    good = {"model": np.array("0" * 64), "vectors": np.zeros((users, 4), np.float32)}
    for wrong in (
        {"vectors": np.zeros((users + 1, 4), np.float32)},
        {"vectors": np.zeros((users, 4))},
        {"vectors": np.zeros(users, np.float32)},
        {"vectors": np.full((users, 4), np.nan, np.float32)},
        {"model": np.array("W_3")},
    ):
        save_arrays(path, good | wrong)
        with pytest.raises(WrongUse, match=r"cannot be read .*; remove it, the next round writes it again"):
            folder.user_vectors()
    save_arrays(path, {"vectors": good["vectors"]})
    with pytest.raises(WrongUse, match="cannot be read"):
        folder.user_vectors()
    for damaged in (b"", b"PK\x03\x04"):
        path.write_bytes(damaged)
        with pytest.raises(WrongUse, match="cannot be read"):
            folder.user_vectors()


def test_a_reply_that_cannot_be_kept_is_not_sent(
    task: RoundTask, folder: ParticipantFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes, *, private: bool = False) -> None:
        raise EnvironmentFailure(f"{path} cannot be written")

    monkeypatch.setattr("client.store.write_atomically", refuse)
    with pytest.raises(EnvironmentFailure, match=r"update\.bin cannot be written"):
        train(task, NODE, folder)
    monkeypatch.undo()
    train(task, NODE, folder)


def _answer(task: RoundTask, client_dir: Path, started: "multiprocessing.Queue[str]") -> None:
    def slow(*arguments: object) -> object:
        started.put("trains")
        time.sleep(0.3)  # the other one comes meanwhile
        return local_update(*arguments)  # type: ignore[arg-type]

    local_update, training.local_update = training.local_update, slow  # type: ignore[assignment]
    started.put(train(task, NODE, ParticipantFolder(client_dir)).commitment.hex())


def test_a_message_delivered_twice_at_once_is_trained_for_once(task: RoundTask, folder: ParticipantFolder) -> None:
    context = multiprocessing.get_context("fork")
    said: multiprocessing.Queue[str] = context.Queue()
    both = [context.Process(target=_answer, args=(task, folder.path, said)) for _ in range(2)]
    for process in both:
        process.start()
    lines = [said.get(timeout=60) for _ in range(3)]
    for process in both:
        process.join(60)
    assert lines[0] == "trains"
    assert lines[1] == lines[2] != "trains"


def test_the_answering_lock_of_a_killed_process_is_free(task: RoundTask, folder: ParticipantFolder) -> None:
    def hold() -> None:
        with folder.answering():
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=hold)
    process.start()
    process.join(60)
    assert process.exitcode == -9
    train(task, NODE, folder)
    write_atomically(folder.path / "unrelated", b"")
