"""Any byte of any file of the record, replaced by any other: found, or no part of what the record says."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.data.probe import PROBE_FILE
from common.errors import WrongUse
from server.federation import load_public_pool
from server.replay.mismatch import Mismatch
from tests.server.replay.recorded_run import RecordedRun

REPORTED = (
    "report.json",
    "report.html",
    "state.json",
    "status.json",
    "deployment.rewards.json",
)  # not what anything is verified by


@pytest.fixture(scope="module")
def run(eventful: RecordedRun, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    return eventful.copied_to(tmp_path_factory.mktemp("altered") / "run")


def record_of(run: RecordedRun) -> list[Path]:
    return [path for path in sorted(run.folder.rglob("*")) if path.is_file() and path.name not in REPORTED]


def without_metrics(content: bytes) -> Any:
    """What a file of received updates says beyond the metrics, which clients declare and nobody can check."""
    record = json.loads(content)
    for one in record["updates"]:
        del one["metrics"]
    return record


def check_the_probe_pool(run: RecordedRun, path: Path) -> None:
    """Read it as the coordinator and a verifier do: it is that of federation.json, or none."""
    with suppress(WrongUse):
        pool = load_public_pool(replace(run.federation, folder=path.parent))
        assert {shard.digest() for shard in pool} == set(run.shards)


def says_the_same(path: Path, before: bytes, after: bytes) -> bool:
    if not path.name.startswith("received-"):
        return False
    try:
        return bool(without_metrics(before) == without_metrics(after))
    except (ValueError, KeyError, TypeError):
        return False


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), on_ledger=st.booleans())
def test_a_random_byte_of_the_record_is_found(run: RecordedRun, data: st.DataObject, on_ledger: bool) -> None:
    path = data.draw(st.sampled_from(record_of(run)), label="file")
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1), label="place")
    change = data.draw(st.integers(1, 255), label="change")
    after = bytes([*before[:place], before[place] ^ change, *before[place + 1 :]])
    path.write_bytes(after)
    try:
        if path.name == PROBE_FILE:
            check_the_probe_pool(run, path)
            return
        run.verify(on_ledger=on_ledger)
    except Mismatch as mismatch:
        assert mismatch.server_round in (1, 2)
    else:
        assert says_the_same(path, before, after)
    finally:
        path.write_bytes(before)
