"""The run folder on disk: objects by hash, evidence by round, and the checkpoint that a crash resumes from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.atomic_file import remove_leftovers, write_atomically
from common.bounded_json import parse_json
from common.errors import CheckFailed
from common.update import object_name
from server.fields import Fields
from server.ledger import Settlement
from server.report_page import render_report
from server.settlement import Standing
from server.tensorboard_events import TensorboardEvents


@dataclass
class Checkpoint:
    """Where a run stands after its last settled round.

    Attributes:
        run_id: 32 bytes.
        settled_rounds: 0 before the first.
        model: Name of the current model's object.
        standing: Reputations and rewards.
        rows: The report's rows so far.
        settlement: What the ledger was told, or was about to be told, of the last settled round.
    """

    run_id: bytes
    settled_rounds: int
    model: str
    standing: Standing
    rows: list[dict[str, Any]] = field(default_factory=list)
    settlement: Settlement | None = None


class RunFolder:
    """Files of one run below `path`. Everything is written whole or not at all."""

    def __init__(self, path: Path, *, tensorboard: bool = False) -> None:
        """Use a folder, which need not be there yet.

        Args:
            path: Where.
            tensorboard: Whether the report is to be written as TensorBoard events too.
        """
        self.path = path
        self._events = TensorboardEvents(path / "tensorboard") if tensorboard else None

    def remove_leftovers(self) -> None:
        """Remove the files that a kill has cut short; only for who alone writes here."""
        objects = self.path / "objects"
        for folder in (self.path, objects, objects / "updates", self.path / "evidence", self.path / "checkpoint"):
            remove_leftovers(folder)

    def put_object(self, data: bytes) -> str:
        """Store a public object under its sha256 and return it."""
        name = object_name(data)
        path = self._object_path(name, False)
        if not path.exists():
            write_atomically(path, data)
        return name

    def put_update(self, name: str, data: bytes) -> None:
        """Store an update, for participants and auditors, under the sha256 that its commitment was checked with."""
        path = self._object_path(name, True)
        if not path.exists():
            write_atomically(path, data, private=True)

    def get_object(self, name: str) -> bytes:
        """Read a public object.

        Raises:
            CheckFailed: it is missing, or is not what its name says.
        """
        return _read_object(self._object_path(name, False), name)

    def get_update(self, name: str) -> bytes:
        """Read an update; the same rules as for a public object."""
        return _read_object(self._object_path(name, True), name)

    def put_evidence(self, server_round: int, data: bytes) -> None:
        """Store a round's public evidence."""
        write_atomically(self._evidence_path(server_round), data)

    def get_evidence(self, server_round: int) -> bytes:
        """Read a round's evidence.

        Raises:
            CheckFailed: it is missing.
        """
        path = self._evidence_path(server_round)
        try:
            return path.read_bytes()
        except OSError as error:
            raise CheckFailed(f"{path} is missing; restore it from a backup.") from error

    def put_received(self, server_round: int, data: bytes) -> None:
        """Store what `server/received_updates.py` says of a round, beside the restricted updates."""
        write_atomically(self._received_path(server_round), data, private=True)

    def get_received(self, server_round: int) -> bytes | None:
        """Read it back, None where it is not there yet."""
        try:
            return self._received_path(server_round).read_bytes()
        except FileNotFoundError:
            return None

    def write_report(self, report: dict[str, Any]) -> None:
        """Replace report.json, and report.html, which shows the same; add what is new to the TensorBoard events."""
        write_atomically(self.path / "report.json", json.dumps(report, indent=2).encode())
        write_atomically(self.path / "report.html", render_report(report).encode())
        if self._events is not None:
            self._events.add(report["rounds"])

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; the round it names is settled from this moment on."""
        record = asdict(checkpoint) | {"run_id": checkpoint.run_id.hex()}
        if checkpoint.settlement is not None:
            record["settlement"] = {
                name: value.hex() if isinstance(value, bytes) else str(value)
                for name, value in asdict(checkpoint.settlement).items()
            }
        write_atomically(self._checkpoint_path, json.dumps(record).encode())

    def load_checkpoint(self) -> Checkpoint | None:
        """Read the checkpoint, or None where the run has not begun.

        Raises:
            CheckFailed: it was altered.
        """
        try:
            return _checkpoint_of(Fields(parse_json(self._checkpoint_path.read_bytes()), ""))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CheckFailed(
                f"{self._checkpoint_path} was altered ({error}); restore it from a backup, or start a new run."
            ) from error

    @property
    def _checkpoint_path(self) -> Path:
        return self.path / "checkpoint" / "state.json"

    def _received_path(self, server_round: int) -> Path:
        return self.path / "objects" / "updates" / f"received-{server_round:04d}.json"

    def _evidence_path(self, server_round: int) -> Path:
        return self.path / "evidence" / f"round-{server_round:04d}.json"

    def _object_path(self, name: str, restricted: bool) -> Path:
        folder = self.path / "objects"
        return (folder / "updates" if restricted else folder) / name


def _checkpoint_of(record: Fields) -> Checkpoint:
    standing = record.inner("standing")
    rows = record.entries("rows")
    if not all(isinstance(row, dict) for row in rows):
        raise record.malformed("rows", "an entry is not an object")
    return Checkpoint(
        run_id=record.hexadecimal("run_id", 32),
        settled_rounds=record.number("settled_rounds"),
        model=record.hexadecimal("model", 32).hex(),
        standing=Standing(
            smoothed_wad=standing.integers("smoothed_wad"),
            cumulative_wei=standing.integers("cumulative_wei"),
            carried_wei=standing.integer("carried_wei"),
            scale_wad=standing.integer("scale_wad"),
        ),
        rows=rows,
        settlement=None if record.raw("settlement") is None else _settlement_of(record.inner("settlement")),
    )


def _settlement_of(settled: Fields) -> Settlement:
    return Settlement(
        evidence_root=settled.hexadecimal("evidence_root", 32),
        reputation_root=settled.hexadecimal("reputation_root", 32),
        reward_root=settled.hexadecimal("reward_root", 32),
        next_model_hash=settled.hexadecimal("next_model_hash", 32),
        rewarded_wei=settled.decimal("rewarded_wei"),
    )


def _read_object(path: Path, name: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckFailed(f"{path} is missing; restore it from a backup.") from error
    if object_name(data) != name:
        raise CheckFailed(f"{path} was altered: its sha256 is {object_name(data)}; restore it from a backup.")
    return data
