"""A run that is stopped in the middle goes on where it was, and ends as if nothing had happened."""

import json
import signal
import time
from pathlib import Path
from typing import Any

from tests.e2e.command_line import run_to_its_end, started

SETTINGS = ("--clients", "2", "--rounds", "2", "--factors", "8", "--probe-pairs", "50", "--seed", "4")


def evidence_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((run / "evidence").iterdir())]


def test_a_resumed_run_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    with started(("run", *SETTINGS, "--out", "run"), tmp_path) as interrupted:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run/evidence/round-0001.json").exists():
            assert interrupted.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        interrupted.process.send_signal(signal.SIGTERM)
        interrupted.wait()
    stdout, _ = run_to_its_end(("run", "--resume", "run", "--json"), tmp_path)
    run_to_its_end(("simulate", *SETTINGS, "--chain", "embedded", "--out", "undisturbed"), tmp_path)

    resumed, undisturbed = evidence_of(tmp_path / "run"), evidence_of(tmp_path / "undisturbed")
    assert [one["next_model"] for one in resumed] == [one["next_model"] for one in undisturbed]
    assert [one["judgements"] for one in resumed] == [one["judgements"] for one in undisturbed]
    ledger = json.loads(stdout)["ledger"]
    assert ledger["settled_rounds"] == 2
    assert ledger["verified"] is True
