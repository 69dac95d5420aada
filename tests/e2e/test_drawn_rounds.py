"""Rounds that ask some of the clients, over real SuperNodes: the same draw, models and rewards as in a simulation."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.command_line import run_to_its_end
from tests.launch.small_data import small_flags, write_small_csv


def evidence_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((run / "evidence").iterdir())]


def test_real_nodes_are_drawn_as_in_a_simulation_and_verify(tmp_path: Path) -> None:
    settings = (*small_flags(write_small_csv(tmp_path / "small.csv")), "--clients", "4", "--rounds", "2")
    settings += ("--participation", "0.5")
    run_to_its_end(("run", *settings, "--out", "real", "--json"), tmp_path)
    run_to_its_end(("simulate", *settings, "--chain", "memory", "--out", "simulated"), tmp_path)
    real, simulated = evidence_of(tmp_path / "real"), evidence_of(tmp_path / "simulated")
    for here, there in zip(real, simulated, strict=True):
        assert len(here["asked"]) == len(here["commitments"]) == 2
        for key in ("asked", "passed_over", "next_model", "judgements", "rejected"):
            assert here[key] == there[key]
    stdout, _ = run_to_its_end(("verify", "real", "--json"), tmp_path)
    assert json.loads(stdout)["verified"] is True
