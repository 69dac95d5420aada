"""TensorBoard's own reader finds every figure of a run once, whenever it was written."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from server.memory_ledger import MemoryLedger
from server.tensorboard_events import MOST_CLIENTS_SHOWN, TensorboardEvents
from tests.small_federation import SmallFederation

ALICE, BOB = f"0x{'a' * 40}", f"0x{'b' * 40}"


def row(server_round: int, **known: object) -> dict[str, Any]:
    """A row as the report has it when its model was not yet measured."""
    return {
        "round": server_round,
        "seconds": 6.0,
        "train_seconds": 3.0,
        "score_seconds": 2.0,
        "settle_seconds": 1.0,
        "hit_ratio_at_10": None,
        "validation_ndcg_at_10": None,
        "bytes_up": 100,
        "bytes_down": 200,
        "participants": 2,
        "gain": {ALICE: -0.5},
        "calibrated": {ALICE: 0.5, BOB: 0.0},
        "reputation": {ALICE: 0.25, BOB: 0.75},
        "weight": {ALICE: 0.25, BOB: 0.75},
        "reward": {ALICE: "2500000000000000000", BOB: "0"},
        "rejected": [{"account": BOB, "reason": "late"}],
        "model": "00",
        "gas": 300_000,
        "epsilon_aggregate": None,
    } | known


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag -> (step, value), as TensorBoard sees it."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    return {tag: [(one.step, one.value) for one in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def test_a_row_becomes_scalars_under_its_round(tmp_path: Path) -> None:
    known = {"hit_ratio_at_10": 0.5, "validation_ndcg_at_10": 0.25, "rmse": 1.5, "epsilon_aggregate": 2.0}
    before = time.time()
    TensorboardEvents(tmp_path).add([row(3, **known)])
    expected = {
        "accuracy/hit_ratio_at_10": 0.5,
        "accuracy/validation_ndcg_at_10": 0.25,
        "accuracy/rmse": 1.5,
        "seconds/total": 6.0,
        "seconds/train": 3.0,
        "seconds/score": 2.0,
        "seconds/settle": 1.0,
        "bytes/up": 100,
        "bytes/down": 200,
        "participants": 2,
        "rejected": 1,
        "gas": 300_000,
        "epsilon/aggregate": 2.0,
        f"reputation/{ALICE}": 0.25,
        f"reputation/{BOB}": 0.75,
        f"gain/{ALICE}": -0.5,
        f"weight/{ALICE}": 0.25,
        f"weight/{BOB}": 0.75,
        f"reward/{ALICE}": 2.5,
        f"reward/{BOB}": 0.0,
    }
    assert read(tmp_path) == {tag: [(3, value)] for tag, value in expected.items()}
    event = EventAccumulator(str(tmp_path)).Reload().Scalars("gas")[0]
    assert before - 1 <= event.wall_time <= time.time() + 1


def test_a_row_that_is_written_again_adds_only_what_is_new(tmp_path: Path) -> None:
    events = TensorboardEvents(tmp_path)
    events.add([])
    assert not list(tmp_path.iterdir())
    events.add([row(1)])
    first = read(tmp_path)
    assert "accuracy/hit_ratio_at_10" not in first
    events.add([row(1)])
    assert read(tmp_path) == first
    events.add([row(1, hit_ratio_at_10=0.5), row(2)])
    events.add([row(1, hit_ratio_at_10=0.5), row(2, hit_ratio_at_10=0.625)])
    second = read(tmp_path)
    assert second["accuracy/hit_ratio_at_10"] == [(1, 0.5), (2, 0.625)]
    assert all([step for step, _ in second[tag]] == [1, 2] for tag in first)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("cut", [0, 5], ids=["ended well", "last record cut off"])
def test_another_process_goes_on_where_the_files_end(tmp_path: Path, cut: int) -> None:
    TensorboardEvents(tmp_path).add([row(1, hit_ratio_at_10=0.5), row(2)])
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    earlier = tmp_path / "events.out.tfevents.0000000001.tfedrs"
    file.rename(earlier)
    earlier.write_bytes(whole[: len(whole) - cut])
    TensorboardEvents(tmp_path).add([row(1, hit_ratio_at_10=0.5), row(2, hit_ratio_at_10=0.75), row(3)])
    scalars = read(tmp_path)
    assert scalars["accuracy/hit_ratio_at_10"] == [(1, 0.5), (2, 0.75)]
    assert scalars["gas"] == [(1, 300_000), (2, 300_000), (3, 300_000)]


def test_clients_of_a_large_federation_get_no_curves_of_their_own(tmp_path: Path) -> None:
    many = {f"0x{client:040x}": 0.5 for client in range(MOST_CLIENTS_SHOWN + 1)}
    TensorboardEvents(tmp_path).add(
        [row(1, reputation=many, weight=many, reward=dict.fromkeys(many, "1"), gain=many, participants=len(many))]
    )
    scalars = read(tmp_path)
    assert scalars["participants"] == [(1, len(many))]
    assert not any("0x" in tag for tag in scalars)


class _Interrupted(BaseException):
    pass


class _LedgerThatStops(MemoryLedger):
    """Is interrupted when the second round opens, once."""

    stops = True

    def open_round(self, run_id: bytes, server_round: int, model_hash: bytes) -> Any:
        if server_round == 2 and self.stops:
            self.stops = False
            raise _Interrupted
        return super().open_round(run_id, server_round, model_hash)


def test_an_interrupted_run_has_every_figure_of_its_report_once(small: SmallFederation, tmp_path: Path) -> None:
    ledger = _LedgerThatStops(treasury_wei=10**24)
    ledger.register_for([account.address for account in small.accounts], 0)
    with pytest.raises(_Interrupted):
        small.play(tmp_path, ledger, tensorboard=True)
    assert {step for values in read(tmp_path / "tensorboard").values() for step, _ in values} == {1}
    report = small.play(tmp_path, ledger, tensorboard=True).report
    scalars = read(tmp_path / "tensorboard")
    for tag, key in (("accuracy/ndcg_at_10", "ndcg_at_10"), ("gas", "gas"), ("bytes/up", "bytes_up")):
        assert [step for step, _ in scalars[tag]] == [1, 2]
        assert [value for _, value in scalars[tag]] == pytest.approx([one[key] for one in report["rounds"]])
    account = small.accounts[0].address
    assert [value for _, value in scalars[f"reputation/{account}"]] == pytest.approx(
        [one["reputation"][account] for one in report["rounds"]]
    )


def test_without_the_flag_nothing_is_written(small: SmallFederation, tmp_path: Path) -> None:
    small.play(tmp_path)
    assert not (tmp_path / "tensorboard").exists()


def test_writing_events_brings_no_tensorflow_and_the_coordinator_alone_no_tensorboard(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nimport server.app\n"
        "from server.tensorboard_events import TensorboardEvents\n"
        "assert 'tensorboard' not in sys.modules\n"
        "TensorboardEvents(Path(sys.argv[1])).add([{'round': 1, 'gas': 1}])\n"
        "assert 'tensorboard' in sys.modules\n"
        "sys.exit(' '.join({'tensorflow', 'torch', 'pandas'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    assert done.returncode == 0
