"""Cells in processes of their own, several at a time, and how far they have come."""

import logging
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from common.config import Settings
from experiments.robustness_cells import Key, cell

LOOK_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """A cell to be measured, see `experiments.robustness_cells.cell`.

    Fields:
        folder: The run's, new for each job.
        keep: Whether the run stays there.
    """

    key: Key
    settings: Settings
    root: Path | None
    folder: Path
    curve_every: int
    keep: bool

    @property
    def rounds_played(self) -> int:
        """How many rounds have their evidence by now."""
        return sum(1 for _ in self.folder.glob("evidence/round-*.json"))


def processes(workers: int) -> Executor:
    """Return that many processes, started afresh: what a fork would copy has threads of its own."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def measured(
    jobs: Sequence[Job], pool: Executor, look: Callable[[int, Sequence[Job]], None]
) -> Iterator[tuple[Job, "Future[dict[str, Any]]"]]:
    """Yield each job with its result, or with its error, as it ends.

    Args:
        jobs: Begun in this order.
        pool: Where they run.
        look: Told every two seconds how many jobs have ended and which have not.
    """
    running = {pool.submit(run, job): job for job in jobs}
    try:
        while running:
            ended, _ = wait(running, LOOK_EVERY_SECONDS, FIRST_COMPLETED)
            for future in ended:
                yield running.pop(future), future
            look(len(jobs) - len(running), list(running.values()))
    finally:
        pool.shutdown(cancel_futures=True)


def run(job: Job) -> dict[str, Any]:
    """Measure a cell with one thread, so that as many cells as there are processes go well side by side."""
    logging.getLogger("flwr").setLevel(logging.WARNING)
    try:
        with threadpool_limits(1):
            return cell(job.key, job.settings, job.root, job.folder, job.curve_every)
    finally:
        if not job.keep:
            shutil.rmtree(job.folder, ignore_errors=True)
