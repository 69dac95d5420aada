"""What Prometheus sees of a federation's newest run: status.json and report.json in numbers, read at each scrape."""

import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from common.errors import CheckFailed, EnvironmentFailure, WrongUse
from launch.run_state import RunState, newest_run, read_run
from server.reason_class import REASON_CLASSES, reason_class
from server.run_status import Phase, RunStatus

MOST_ACCOUNTS = 100
"""With more clients than these no client has a reputation of its own here; report.json has them all."""
_PHASES_TIMED = ("train", "score", "settle")
_PROCESS = "tfedrs_coordinator"


class RunCollector(Collector):
    """Keeps nothing between two scrapes. Counters count since a run's first round; a new run starts them anew."""

    def __init__(self, folder: Path, online: Callable[[], int] | None = None) -> None:
        """Look at a folder.

        Args:
            folder: A run or a federation; see `launch.run_state.newest_run`.
            online: Asks the SuperLink how many nodes are connected; None takes what the run saw last.
        """
        self._folder = folder
        self._online = online

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; a run that cannot be read has none but the one that says so."""
        status, metrics, readable = None, list[Metric](), True
        try:
            run = read_run(newest_run(self._folder))
            metrics = [*_of_status(run), *_of_report(run)]
            status = run.status
        except WrongUse:
            pass  # nothing has begun
        except (CheckFailed, KeyError, TypeError, ValueError):
            readable = False
        yield _gauge("run_readable", "Whether the newest run's files could be read (1) or are damaged (0)", readable)
        yield from self._nodes(status)
        yield from metrics

    def _nodes(self, status: RunStatus | None) -> Iterator[Metric]:
        number = status.online if status is not None and status.life(time.time()) == "running" else None
        if self._online is not None:
            number = None
            with suppress(EnvironmentFailure):  # a SuperLink that is gone has no number, which an alert can see
                number = self._online()
        if number is not None:
            yield _gauge("nodes_online", "Nodes that are connected to the SuperLink", number)


def _of_status(run: RunState) -> Iterator[Metric]:
    status = run.status
    if status is None:
        return
    life = status.life(time.time())
    info = InfoMetricFamily("tfedrs_run", "The newest run")
    labels = {"run": status.run_id[:16], "folder": run.folder.name}
    labels |= {name: str(run.report[name]) for name in ("dataset", "model") if name in run.report}
    info.add_metric([], labels)
    yield info
    alive = life == "running"
    yield _gauge("run_alive", "Whether the coordinator's process of the newest run is there (1) or not (0)", alive)
    phases = GaugeMetricFamily("tfedrs_phase", "1 for the phase that the run is in", labels=["phase"])
    for phase in get_args(Phase):
        phases.add_metric([phase], phase == status.phase)
    yield phases
    yield _gauge("phase_start_timestamp_seconds", "When the phase began, Unix time", status.phase_began)
    if status.deadline is not None:
        yield _gauge(
            "phase_deadline_timestamp_seconds", "When the phase ends at the latest, Unix time", status.deadline
        )
    yield _gauge("status_timestamp_seconds", "When the coordinator last gave a sign of life, Unix time", status.updated)
    yield _gauge("round", "The round that goes on, or the last one", status.server_round)
    yield _gauge("rounds_planned", "Rounds that the run shall have", status.rounds)
    yield _counter("rounds_settled", "Rounds that are settled on the ledger", status.settled_rounds)
    if status.last_settled is not None:
        yield _gauge(
            "last_settlement_timestamp_seconds", "When the last round was settled, Unix time", status.last_settled
        )
    yield _gauge("nodes_needed", "Nodes that must be connected before a round begins", status.needed)
    yield _gauge("nodes_asked", "Nodes that were sent a message in this phase", len(status.asked))
    yield _gauge("nodes_waited_for", "Nodes that have not answered in this phase", len(status.waiting_for))
    if alive and status.host == platform.node():
        yield from ProcessCollector(namespace=_PROCESS, pid=lambda: status.pid, registry=None).collect()


def _of_report(run: RunState) -> Iterator[Metric]:
    rows = run.rows
    seconds = CounterMetricFamily("tfedrs_phase_seconds", "Time spent in settled rounds", labels=["phase"])
    for phase in _PHASES_TIMED:
        seconds.add_metric([phase], sum(row[f"{phase}_seconds"] for row in rows))
    yield seconds
    moved = CounterMetricFamily("tfedrs_transferred_bytes", "Bytes of models, updates and scores", labels=["direction"])
    for direction in ("up", "down"):
        moved.add_metric([direction], sum(row[f"bytes_{direction}"] for row in rows))
    yield moved
    yield _counter("gas_used", "Gas of the rounds' transactions", sum(row["gas"] or 0 for row in rows))
    classes = Counter(reason_class(entry["reason"]) for row in rows for entry in row["rejected"])
    left_out = CounterMetricFamily(
        "tfedrs_left_out",
        "Updates and scores that were rejected or got no weight, by kind of reason",
        labels=["reason"],
    )
    for name in REASON_CLASSES:
        left_out.add_metric([name], classes[name])
    yield left_out
    if rows:
        yield from _of_last_round(rows)


def _of_last_round(rows: list[dict[str, object]]) -> Iterator[Metric]:
    last = rows[-1]
    took = GaugeMetricFamily("tfedrs_last_round_seconds", "Time that the last settled round took", labels=["phase"])
    for phase in _PHASES_TIMED:
        took.add_metric([phase], _number(last[f"{phase}_seconds"]))
    yield took
    yield _gauge("participants", "Verified updates of the last settled round", _number(last["participants"]))
    for name, key, text in (
        ("ndcg_at_10_ratio", "ndcg_at_10", "NDCG@10 on 1 + 99 candidates, of the last model that was measured"),
        ("hit_ratio_at_10_ratio", "hit_ratio_at_10", "HR@10 on 1 + 99 candidates, of the last model that was measured"),
        ("full_ndcg_at_10_ratio", "full_ndcg_at_10", "NDCG@10 on all items, of the last model that was measured"),
        ("rmse_stars", "rmse", "RMSE of the held-out ratings, of the last model that was measured"),
    ):
        measured = [row[key] for row in rows if row.get(key) is not None]
        if measured:
            yield _gauge(name, text, _number(measured[-1]))
    reputations = last["reputation"]
    if isinstance(reputations, dict) and len(reputations) <= MOST_ACCOUNTS:
        family = GaugeMetricFamily("tfedrs_reputation_ratio", "Reputation after the last round", labels=["account"])
        for account, reputation in sorted(reputations.items()):
            family.add_metric([str(account)], _number(reputation))
        yield family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"tfedrs_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"tfedrs_{name}", text, value=value)  # "_total" is added to the name


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is no number")
