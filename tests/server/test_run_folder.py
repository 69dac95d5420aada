import stat
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import CheckFailed
from common.update import object_name
from server.ledger import Settlement
from server.run_folder import Checkpoint, RunFolder
from server.settlement import Standing

ALICE, BOB = "0xA", "0xB"
STANDING = Standing({ALICE: 10**18, BOB: 1}, {ALICE: 10**30, BOB: 0}, carried_wei=2**70, scale_wad=3)
CHECKPOINT = Checkpoint(bytes(range(32)), 2, "ab" * 32, STANDING, [{"round": 1}, {"round": 2}])
SETTLEMENT = Settlement(*(bytes([number]) * 32 for number in range(1, 5)), rewarded_wei=2**127)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


@pytest.mark.parametrize("settlement", [None, SETTLEMENT])
def test_a_checkpoint_comes_back_to_the_last_digit(folder: RunFolder, settlement: Settlement | None) -> None:
    checkpoint = replace(CHECKPOINT, settlement=settlement)
    folder.save_checkpoint(checkpoint)
    assert folder.load_checkpoint() == checkpoint


def test_a_run_that_has_not_begun_has_no_checkpoint(folder: RunFolder) -> None:
    assert folder.load_checkpoint() is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"run_id": "zz"}', b"\xff"])
def test_a_damaged_checkpoint_is_one_sentence(folder: RunFolder, content: bytes) -> None:
    folder.save_checkpoint(CHECKPOINT)
    path = folder.path / "checkpoint" / "state.json"
    path.write_bytes(content)
    with pytest.raises(
        CheckFailed, match=r"state\.json was altered .*; restore it from a backup, or start a new run\.$"
    ):
        folder.load_checkpoint()


def test_an_object_is_named_by_its_hash_and_updates_are_for_the_owner_alone(folder: RunFolder) -> None:
    name = folder.put_object(b"model")
    assert folder.get_object(name) == b"model"
    assert folder.put_object(b"model") == name
    hidden = object_name(b"update")
    folder.put_update(hidden, b"update")
    path = folder.path / "objects" / "updates" / hidden
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CheckFailed, match="is missing"):
        folder.get_object(hidden)


def test_a_missing_or_altered_object_is_one_sentence(folder: RunFolder) -> None:
    name = folder.put_object(b"model")
    (folder.path / "objects" / name).write_bytes(b"other")
    with pytest.raises(CheckFailed, match="was altered: its sha256 is"):
        folder.get_object(name)
    (folder.path / "objects" / name).unlink()
    with pytest.raises(CheckFailed, match="is missing; restore it from a backup"):
        folder.get_object(name)


def test_evidence_comes_back_or_is_missed(folder: RunFolder) -> None:
    folder.put_evidence(7, b"{}")
    assert (folder.path / "evidence" / "round-0007.json").read_bytes() == folder.get_evidence(7) == b"{}"
    with pytest.raises(CheckFailed, match=r"round-0008\.json is missing"):
        folder.get_evidence(8)


def test_received_updates_are_for_the_owner_alone(folder: RunFolder) -> None:
    assert folder.get_received(1) is None
    folder.put_received(1, b"{}")
    path = folder.path / "objects" / "updates" / "received-0001.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert folder.get_received(1) == b"{}"
