"""Blocks of rounds on one federation: of our app, and of one that does nothing (`benchmarks/empty_app`)."""

import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process_meter import ClientProcess, ProcessMeter
from common.config import Settings
from launch.app_bundle import AppBundle, build_app_bundle
from launch.local_federation import LocalFederation
from launch.prepared_run import PreparedRun
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR

OURS, EMPTY, SAME_BYTES, FLOWERS_LOOP = "ours", "empty", "empty, same bytes", "empty, Flower's own loop"
LONGEST_ROUND_SECONDS = 600.0
_LOOK_SECONDS = 0.01
_EMPTY_APP = Path(__file__).with_name("empty_app")


@dataclass
class Round:
    """One measured round.

    Attributes:
        kind: Of which app.
        seconds: Wall time, from the end of the round before.
        phases: Wall time of its parts: train, score, and for ours settle; the rest is what is missing to `seconds`.
        cpu_seconds: Of all processes of the federation, the chain's included: "all", and by program.
        clients: The processes that answered its messages.
    """

    kind: str
    seconds: float
    phases: dict[str, float]
    cpu_seconds: dict[str, float]
    clients: list[ClientProcess]


class Blocks:
    """Runs blocks one after the other; the caller chooses their order."""

    def __init__(
        self, ready: PreparedRun, federation: LocalFederation, meter: ProcessMeter, settings: Settings
    ) -> None:
        self._ready = ready
        self._federation = federation
        self._meter = meter
        self._settings = settings
        self._empty = empty_bundle(ready.folder / "empty-app")
        self._blocks = 0
        self.last_run: Path
        self._model_bytes = self._update_bytes = 0

    def play(self, kind: str, rounds: int) -> list[Round]:
        """Play some rounds of one app, as one run of Flower's.

        Raises:
            EnvironmentFailure: the run failed; the sentence names its log.
        """
        self._blocks += 1
        return self._ours(rounds) if kind == OURS else self._empties(kind, rounds)

    def _ours(self, rounds: int) -> list[Round]:
        self.last_run = run = self._ready.folder / "runs" / f"block-{self._blocks}"
        run_id = self._federation.submit(
            self._settings.to_run_config()
            | {
                "rounds": rounds,
                COORDINATOR_DIR: str(self._ready.federation.folder),
                RUN_DIR: str(run),
                CHAIN_URL: self._ready.chain_url,
            }
        )
        with _Watched(run / "report.json") as written:
            self._federation.wait(run_id, _nothing, LONGEST_ROUND_SECONDS * (rounds + 1))
        report: dict[str, Any] = json.loads((run / "report.json").read_bytes())
        self._model_bytes = len((run / "objects" / report["rounds"][-1]["model"]).read_bytes())
        self._update_bytes = report["rounds"][-1]["bytes_up"] // self._settings.clients
        played = []
        # The report is written when the run opens, after each round, and after the last measurement.
        for row, began, ended in zip(report["rounds"], written.times, written.times[1:], strict=False):
            phases = {name: row[f"{name}_seconds"] for name in ("train", "score", "settle")}
            played.append(self._round(OURS, began, ended, phases))
        if len(played) != rounds or len(written.times) != rounds + 2:
            raise RuntimeError(f"the report of {run} was written {len(written.times)} times")
        return played

    def _empties(self, kind: str, rounds: int) -> list[Round]:
        answers = self._ready.folder / f"block-{self._blocks}.json"
        same_bytes = kind == SAME_BYTES
        run_id = self._federation.submit(
            {
                "rounds": rounds,
                "nodes": self._settings.clients,
                "loop": "flower" if kind == FLOWERS_LOOP else "exchange",
                "model-bytes": self._model_bytes if same_bytes else 0,
                "update-bytes": self._update_bytes if same_bytes else 0,
                "answers": str(answers),
            },
            self._empty,
        )
        self._federation.wait(run_id, _nothing, LONGEST_ROUND_SECONDS * (rounds + 1))
        return [
            self._round(
                kind,
                played["began"],
                played["ended"],
                {"train": played["trained"] - played["began"], "score": played["ended"] - played["trained"]},
            )
            for played in json.loads(answers.read_bytes())
        ]

    def _round(self, kind: str, began: float, ended: float, phases: dict[str, float]) -> Round:
        clients = self._meter.client_processes(began, ended)
        cpu_seconds = self._meter.cpu_between(began, ended)
        return Round(kind, ended - began, phases, cpu_seconds, clients)


def empty_bundle(folder: Path) -> AppBundle:
    """Bundle the app that does nothing, with our own loop over replies: Flower's sleeps three seconds at a time."""
    shutil.copytree(_EMPTY_APP, folder)
    shutil.copy(PROJECT_ROOT / "server" / "exchange.py", folder / "empty" / "exchange.py")
    return build_app_bundle(folder)


class _Watched:
    """Notes when a file is replaced, by its time of modification."""

    def __init__(self, path: Path) -> None:
        self.times: list[float] = []
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watched":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                written = self._path.stat().st_mtime
            except FileNotFoundError:
                continue
            if not self.times or written > self.times[-1]:
                self.times.append(written)


def _nothing() -> None:
    pass
