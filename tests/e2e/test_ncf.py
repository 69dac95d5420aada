"""NCF over real SuperNodes: scored, settled, and the same as in a simulation."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.command_line import run_to_its_end

# the first round is one of iALS, the second one of NeuMF
SETTINGS = ("--model", "ncf", "--clients", "2", "--rounds", "2", "--warm-start-rounds", "1")
SMALL = ("--factors", "8", "--probe-pairs", "50")


def evidence_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((run / "evidence").iterdir())]


def test_ncf_trains_over_real_nodes_as_it_does_in_a_simulation(tmp_path: Path) -> None:
    stdout, _ = run_to_its_end(("run", *SETTINGS, *SMALL, "--out", "real", "--json"), tmp_path)
    run_to_its_end(("simulate", *SETTINGS, *SMALL, "--chain", "memory", "--out", "simulated"), tmp_path)

    report = json.loads(stdout)
    assert report["model"] == "ncf"
    assert report["ledger"]["settled_rounds"] == 2
    assert report["ledger"]["verified"] is True
    assert all(row["participants"] == 2 and not row["rejected"] for row in report["rounds"])
    real, simulated = evidence_of(tmp_path / "real"), evidence_of(tmp_path / "simulated")
    assert [one["next_model"] for one in real] == [one["next_model"] for one in simulated]
    assert [one["judgements"] for one in real] == [one["judgements"] for one in simulated]
