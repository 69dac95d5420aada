"""Whatever stands in evidence, a checkpoint or the coordinator's files: it is read, or refused as documented."""

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.bounded_json import MOST_MEMORY_PER_BYTE
from common.errors import CheckFailed, TfedrsError, WrongUse
from server.federation import load_federation, read_rewards, save_federation, save_rewards
from server.ledger import Settlement
from server.received_updates import kept_updates
from server.replay.mismatch import Mismatch
from server.replay.public_round import read_public_round
from server.run_folder import Checkpoint, RunFolder
from server.settlement import Standing
from tests.mutations import mutated_bytes, mutated_json
from tests.small_federation import SmallFederation

FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@pytest.fixture(scope="module")
def played(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    small.play(folder)
    return folder


@pytest.fixture(scope="module")
def evidence(played: Path) -> bytes:
    return RunFolder(played).get_evidence(1)


@given(data=st.data())
@settings(max_examples=300)
def test_changed_evidence_is_read_or_a_mismatch(evidence: bytes, data: st.DataObject) -> None:
    changed = data.draw(mutated_json(evidence))
    try:
        read = read_public_round(changed, 1)
    except Mismatch as mismatch:
        assert mismatch.server_round == 1
    else:
        assert read.content == changed


@given(data=st.data())
def test_canonical_evidence_with_other_values_is_read_or_a_mismatch(evidence: bytes, data: st.DataObject) -> None:
    """Such as somebody writes who takes care: only the values are wrong."""
    changed = json.loads(data.draw(mutated_json(evidence).filter(_is_an_object)))
    with suppress(Mismatch):
        read_public_round(json.dumps(changed, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode(), 1)


def _is_an_object(data: bytes) -> bool:
    try:
        json.loads(data.decode()).keys()
        json.dumps(json.loads(data), ensure_ascii=False).encode()
    except (ValueError, AttributeError):
        return False
    return True


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 5_000_000,
        b'{"a":' * 1_000_000,
        b"[" + b"{}," * 300_000 + b"{}]",
        b'{"scores":[' + b"{}," * 300_000 + b"{}]}",
        b'{"round":' + b"9" * 1_000_000 + b"}",
        b'"' + b"\\u00e9" * 300_000 + b'"',
    ],
)
def test_no_evidence_makes_reading_allocate_more_than_the_bound(content: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Mismatch):
            read_public_round(content, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY_PER_BYTE * len(content)


def check_it_is_read_or_refused(read: Callable[[], object], refusal: type[TfedrsError]) -> None:
    try:
        read()
    except refusal as error:
        assert type(error) is refusal


@given(data=st.data())
@FILES
def test_a_changed_list_of_received_updates_is_read_or_a_failed_check(
    played: Path, tmp_path: Path, data: st.DataObject
) -> None:
    folder, target = RunFolder(played), tmp_path / "objects"
    if not target.exists():
        target.symlink_to(played / "objects")
    received = folder.get_received(1)
    assert received is not None
    changed = data.draw(mutated_json(received))
    copy = _WithReceived(tmp_path, changed)
    check_it_is_read_or_refused(lambda: kept_updates(copy, 1), CheckFailed)


class _WithReceived(RunFolder):
    def __init__(self, path: Path, received: bytes) -> None:
        super().__init__(path)
        self._received = received

    def get_received(self, server_round: int) -> bytes:
        return self._received


STANDING = Standing({"0xA": 10**18, "0xB": 1}, {"0xA": 10**30, "0xB": 0}, carried_wei=2**70, scale_wad=3)
SETTLEMENT = Settlement(*(bytes([number]) * 32 for number in range(1, 5)), rewarded_wei=2**127)


@given(data=st.data())
@FILES
def test_a_changed_checkpoint_is_read_or_a_failed_check(tmp_path: Path, data: st.DataObject) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint(Checkpoint(bytes(32), 2, "ab" * 32, STANDING, [{"round": 1}, {"round": 2}], SETTLEMENT))
    path = tmp_path / "checkpoint" / "state.json"
    path.write_bytes(data.draw(mutated_json(path.read_bytes())))
    check_it_is_read_or_refused(folder.load_checkpoint, CheckFailed)


@given(data=st.data())
@FILES
def test_a_changed_federation_is_read_or_refused(small: SmallFederation, tmp_path: Path, data: st.DataObject) -> None:
    save_federation(small.federation(tmp_path), bytes(32))
    path = tmp_path / "federation.json"
    path.write_bytes(data.draw(mutated_json(path.read_bytes())))
    check_it_is_read_or_refused(lambda: load_federation(tmp_path), WrongUse)


@given(data=st.data())
@FILES
def test_changed_rewards_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "ledger.rewards.json"
    path.unlink(missing_ok=True)
    save_rewards(path, 3, {"0xA": 10**30, "0xB": 0})
    path.write_bytes(data.draw(mutated_json(path.read_bytes()) | mutated_bytes(path.read_bytes())))
    check_it_is_read_or_refused(lambda: read_rewards(path), WrongUse)
