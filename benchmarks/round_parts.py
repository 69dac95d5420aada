"""Where a round's time goes on both sides, measured without the network in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from client.state import REPLIES, STATE_FILE
from common.config import Settings
from launch.app_bundle import build_app_bundle
from launch.flower_environment import flower_environment
from launch.workspace import PROJECT_ROOT

_TIMES = 3


def client_parts(client_dir: Path, run: Path) -> dict[str, Any]:
    """Return, for a train and a peer message, the median CPU seconds by part of a client process, and its memory."""
    parts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        bundle = Path(temporary) / "app.fab"
        bundle.write_bytes(build_app_bundle(PROJECT_ROOT).content)
        for kind in ("train", "peer"):
            measured = []
            for number in range(_TIMES):
                copy = Path(temporary) / f"{kind}-{number}"
                # Without what it has answered: the client would only send the last reply again.
                shutil.copytree(client_dir, copy, ignore=shutil.ignore_patterns(REPLIES, STATE_FILE))
                measured.append(_run(kind, copy, run, bundle, Path(temporary) / "home"))
            names = measured[0]["cpu_seconds"]
            parts[kind] = {
                "cpu_seconds": {name: median(one["cpu_seconds"].get(name, 0.0) for one in measured) for name in names},
                "peak_rss": max(one["peak_rss"] for one in measured),
            }
    return parts


def _run(kind: str, client_dir: Path, run: Path, bundle: Path, home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.client_process", "--kind", kind]
    command += ["--client", str(client_dir), "--run", str(run), "--bundle", str(bundle)]
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=flower_environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def coordinator_parts(settings: Settings, chain: str) -> dict[str, float]:
    """Return the coordinator's seconds a round by part, in a process that simulates a run on a real chain."""
    command = [sys.executable, "-m", "benchmarks.coordinator_process", str(settings.clients), settings.model]
    command += [str(settings.rounds), chain]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result
