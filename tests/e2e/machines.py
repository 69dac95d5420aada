"""A provisioned federation whose machines are processes here: one coordinates, others take part."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launch.flower_environment import flower_program
from launch.processes import free_ports
from launch.workspace import PROJECT_ROOT
from tests.e2e.command_line import environment, new_mark, tfedrs_says
from tests.launch.small_data import COLUMNS, write_small_csv

PLAN = """\
name = "cinema"
address = "localhost"
port = {port}
listen = "127.0.0.1"
participants = {participants}
own_keys = {own_keys}

[settings]
dataset = "csv:{csv}"
csv-columns = "{columns}"
rounds = {rounds}
factors = 4
probe-pairs = 20
phase-timeout = {phase_timeout}
"""


def wait_for(ready: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@dataclass
class Machines:
    """A coordinator that runs, and whoever was started to take part."""

    base: Path
    mark: str
    running: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)

    @property
    def coordinator(self) -> Path:
        return self.base / "cinema" / "coordinator"

    @property
    def flower_config(self) -> Path:
        """Is written when the coordinator is up."""
        return self.coordinator.parent / "served" / "flower" / "cli" / "config.toml"

    def folder(self, name: str) -> Path:
        return self.base / "cinema" / "participants" / name

    def start(self, name: str, *arguments: str) -> "subprocess.Popen[str]":
        with (self.base / f"{name}.err").open("w") as errors:
            self.running[name] = process = subprocess.Popen(
                command(arguments), cwd=PROJECT_ROOT, env=environment(self.mark), stderr=errors, text=True
            )
        return process

    def take_part(self, name: str, *flags: str) -> "subprocess.Popen[str]":
        return self.start(name, "participate", str(self.folder(name)), *flags)

    def coordinate(self) -> None:
        """Start the coordinator, and wait until it is up."""
        self.flower_config.unlink(missing_ok=True)
        process = self.start("coordinator", "coordinate", str(self.coordinator))
        wait_for(lambda: self.flower_config.exists() or process.poll() is not None)
        assert process.poll() is None, self.said("coordinator")

    def stop(self) -> None:
        """End everybody, as Ctrl-C does."""
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            process.wait(60)
        self.running.clear()

    def said(self, name: str) -> str:
        return " ".join((self.base / f"{name}.err").read_text().split())

    def ended(self, name: str) -> tuple[int, list[str]]:
        """Wait for the end; return exit code and what `tfedrs` said."""
        return self.running.pop(name).wait(60), tfedrs_says((self.base / f"{name}.err").read_text())

    def flwr(self, *arguments: str) -> str:
        done = subprocess.run(
            [flower_program("flwr"), *arguments],
            cwd=PROJECT_ROOT,
            env={**os.environ, "FLWR_HOME": str(self.flower_config.parent)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    def node_log(self, name: str) -> str:
        path = self.folder(name) / "work" / "logs" / "supernode.log"
        return path.read_text() if path.exists() else ""

    def submit(self, *settings: str) -> str:
        """Submit a run; return its id."""
        told = [word for setting in settings for word in ("-c", setting)]
        return str(json.loads(self.flwr("run", ".", "local", "--format", "json", *told))["run-id"])

    def finished(self, run_id: str) -> bool:
        """Whether the run has completed; it must not have failed."""
        (run,) = json.loads(self.flwr("list", "local", "--run-id", run_id, "--format", "json"))["runs"]
        assert run["status"] not in {"finished:failed", "finished:stopped"}, run
        return bool(run["status"] == "finished:completed")


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "launch.cli", *arguments]


def tfedrs(*arguments: str) -> str:
    done = subprocess.run(
        command(arguments),
        cwd=PROJECT_ROOT,
        env=environment(new_mark()),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def provision(
    base: Path, participants: Sequence[str], own_keys: Sequence[str], *, rounds: int = 1, phase_timeout: float = 60.0
) -> Machines:
    """Write the folders of a federation to `base`/cinema; nothing is started."""
    (port,) = free_ports(1)
    plan = base / "federation.toml"
    plan.write_text(
        PLAN.format(
            port=port,
            participants=json.dumps(participants),
            own_keys=json.dumps(own_keys),
            csv=write_small_csv(base / "ratings.csv"),
            columns=COLUMNS,
            rounds=rounds,
            phase_timeout=phase_timeout,
        )
    )
    tfedrs("provision", str(plan), "--out", str(base / "cinema"))
    return Machines(base, new_mark())
