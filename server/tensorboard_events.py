"""The report's rows as TensorBoard scalars: one for each figure and round, the step being the round.

A row is written again and again, and gets its metrics a round late; a run may be resumed by another process. So what
the event files hold already is read back once and remembered, and only what is new is appended. Nothing is replaced:
a TensorBoard that is looking on keeps its place in the file.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.atomic_file import refusals_of_the_disk
from contracts.deployment import WEI_PER_TOKEN

MOST_CLIENTS_SHOWN = 100
"""Of a larger federation no client gets curves of its own; TensorBoard would be slow, and nobody could read them."""

_ACCURACY = re.compile(r"(_at_\d+|rmse|mae)$")
_COUNTS = ("bytes_up", "bytes_down", "participants", "gas")
_OF_CLIENTS = ("reputation", "gain", "weight")


class TensorboardEvents:
    """Event files below one folder, one for each process that wrote there."""

    def __init__(self, folder: Path) -> None:
        """Look at nothing yet: who writes no events does not import TensorBoard."""
        self._folder = folder
        self._path = folder / f"events.out.tfevents.{int(time.time()):010d}.tfedrs"
        self._written: set[tuple[str, int]] | None = None

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the scalars of a report's rows that no event file of the folder holds yet.

        Args:
            rows: As in report.json; figures that are None are left for later.
        """
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

        if self._written is None:
            self._written = _scalars_in(self._folder)
        now = time.time()
        events = []
        for row in rows:
            step = row["round"]
            new = [(tag, value) for tag, value in scalars_of(row) if (tag, step) not in self._written]
            if new:
                values = [Summary.Value(tag=tag, simple_value=value) for tag, value in new]
                events.append(Event(wall_time=now, step=step, summary=Summary(value=values)))
                self._written.update((tag, step) for tag, _ in new)
        if events and not self._path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        self._append(events)

    def _append(self, events: Sequence[Any]) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        if events:
            with refusals_of_the_disk(self._path), self._path.open("ab") as file:
                writer = RecordWriter(file)
                for event in events:
                    writer.write(event.SerializeToString())


def scalars_of(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield tag and value of every figure of a row that is known.

    accuracy/NAME; seconds/PHASE and seconds/total; bytes/up and bytes/down; participants, rejected, gas;
    epsilon/NAME; and for each client reputation/0x..., gain/0x..., weight/0x..., reward/0x... (in tokens).
    """
    for key, value in row.items():
        if value is None:
            continue
        if _ACCURACY.search(key):
            yield f"accuracy/{key}", value
        elif key == "seconds":
            yield "seconds/total", value
        elif key.endswith("_seconds"):
            yield f"seconds/{key.removesuffix('_seconds')}", value
        elif key.startswith("epsilon"):
            yield f"epsilon/{key.removeprefix('epsilon').strip('_') or 'epsilon'}", value
        elif key in _COUNTS:
            yield key.replace("_", "/"), value
        elif key == "rejected":
            yield key, len(value)
        elif key in _OF_CLIENTS and len(value) <= MOST_CLIENTS_SHOWN:
            for account, figure in value.items():
                yield f"{key}/{account}", figure
        elif key == "reward" and len(value) <= MOST_CLIENTS_SHOWN:
            for account, reward_wei in value.items():
                yield f"{key}/{account}", int(reward_wei) / WEI_PER_TOKEN


def _scalars_in(folder: Path) -> set[tuple[str, int]]:
    """Return tag and step of every scalar in the folder's event files; a record that was cut off ends its file."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader  # noqa: PLC0415

    return {
        (value.tag, event.step)
        for path in sorted(folder.glob("events.out.tfevents.*"))
        for event in LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    }
