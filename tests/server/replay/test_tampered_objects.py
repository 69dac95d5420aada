"""Updates, models, salts and the probe pool: what is not the file that it was is found and named."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.replay.mismatch import Mismatch
from tests.server.replay.recorded_run import RecordedRun


@pytest.fixture
def run(honest: RecordedRun, tmp_path: Path) -> RecordedRun:
    return honest.copied_to(tmp_path / "run")


def evidence(run: RecordedRun, server_round: int) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run.evidence(server_round).read_bytes())
    return content


def received(run: RecordedRun, server_round: int) -> Path:
    return run.folder / "objects" / "updates" / f"received-{server_round:04d}.json"


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink])
@pytest.mark.parametrize(("server_round", "field"), [(1, "model"), (1, "next_model"), (2, "next_model")])
def test_an_altered_or_missing_model_is_named(
    run: RecordedRun, damage: Callable[[Path], None], server_round: int, field: str
) -> None:
    damage(run.folder / "objects" / evidence(run, server_round)[field])
    with pytest.raises(Mismatch) as found:
        run.verify(restricted=False)
    assert (found.value.server_round, found.value.account, found.value.field) == (server_round, None, field)


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink])
def test_every_altered_or_missing_update_is_found(run: RecordedRun, damage: Callable[[Path], None]) -> None:
    for server_round in (1, 2):
        for one in json.loads(received(run, server_round).read_bytes())["updates"]:
            path = run.folder / "objects" / "updates" / one["update"]
            original = path.read_bytes()
            damage(path)
            with pytest.raises(Mismatch, match=f"^Round {server_round}, updates: .*{one['update']}"):
                run.verify()
            path.write_bytes(original)


RECEIVED = {
    "account": "updates",
    "update": "updates",
    "commitment": "updates.commitment",
    "signature": "updates.signature",
    "salt": "commitments.commitment",
}


@pytest.mark.parametrize("key", RECEIVED)
def test_every_altered_value_of_a_received_update_is_found(run: RecordedRun, key: str) -> None:
    for server_round in (1, 2):
        path = received(run, server_round)
        original = path.read_bytes()
        for index, one in enumerate(json.loads(original)["updates"]):
            record = json.loads(original)
            other = "1" if one[key][-1] != "1" else "2"
            record["updates"][index][key] = one[key][:-1] + other
            path.write_bytes(json.dumps(record, indent=2).encode())
            with pytest.raises(Mismatch) as found:
                run.verify()
            assert (found.value.server_round, found.value.field) == (server_round, RECEIVED[key])
            if RECEIVED[key] != "updates":
                assert found.value.account == one["account"]
        path.write_bytes(original)


def test_metrics_that_clients_declare_are_not_part_of_what_is_verified(run: RecordedRun) -> None:
    record = json.loads(received(run, 1).read_bytes())
    record["updates"][0]["metrics"]["ndcg_at_10"] = 1.0
    received(run, 1).write_bytes(json.dumps(record, indent=2).encode())
    assert run.verify().models == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["updates"].pop(),
        lambda record: record["updates"].append(record["updates"][0]),
        lambda record: record["updates"].reverse(),
        lambda record: record.update(comment="nothing"),
        lambda record: record["updates"][0].update(salt="00" * 33),
        lambda record: record["updates"][0].update(account=7),
        lambda record: record["updates"][0].update(metrics=7),
        lambda record: record["updates"].__setitem__(0, 7),
        lambda record: record.update(updates=7),
        lambda record: record["rejected"].append(["node 7", "no answer"]),
        lambda record: record["rejected"].append(7),
    ],
)
def test_another_list_of_updates_is_found(run: RecordedRun, change: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(received(run, 2).read_bytes())
    change(record)
    received(run, 2).write_bytes(json.dumps(record, indent=2).encode())
    with pytest.raises(Mismatch, match=r"^Round 2, updates"):
        run.verify()


def test_brackets_do_not_end_the_process(run: RecordedRun) -> None:
    received(run, 2).write_bytes(b"[" * 1_000_000)
    with pytest.raises(Mismatch, match="nested deeper than 32 levels"):
        run.verify()


def test_another_probe_pool_is_found(run: RecordedRun) -> None:
    (digest, shard), *_ = run.shards.items()
    others = {key: value for key, value in run.shards.items() if key != digest}
    run.shards.clear()
    run.shards.update(others | {bytes(32): shard})
    try:
        with pytest.raises(Mismatch, match=r"^The opening of the run, probe pool: "):
            run.verify()
    finally:
        run.shards.clear()
        run.shards.update(others | {digest: shard})


def test_the_next_rounds_evidence_in_place_of_a_rounds_is_found(run: RecordedRun) -> None:
    run.evidence(1).write_bytes(run.evidence(2).read_bytes())
    with pytest.raises(Mismatch, match=re.escape("Round 1, round: the file says that it is round 2")):
        run.verify()
