"""NCF over real SuperNodes, with noise and without: scored, settled, and the same as in a simulation."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.command_line import run_to_its_end

# the first round is one of iALS, the second one of NeuMF
SETTINGS = ("--model", "ncf", "--variant", "neumf", "--clients", "2", "--rounds", "2", "--warm-start-rounds", "1")
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


NOISE = ("--warm-start-rounds", "0", "--noise", "dp-sgd", "--batch-size", "40000", "--withhold-metrics")


def test_ncf_with_noise_is_scored_settled_verified_and_has_an_epsilon(tmp_path: Path) -> None:
    settings = ("--model", "ncf", "--variant", "gmf", "--clients", "2", "--rounds", "1", *NOISE)
    stdout, _ = run_to_its_end(("run", *settings, *SMALL, "--out", "real", "--json"), tmp_path)

    report = json.loads(stdout)
    (row,) = report["rounds"]
    assert row["participants"] == len(row["gain"]) == 2
    assert not row["rejected"]
    assert report["ledger"]["verified"] is True
    assert report["final"] == {}
    privacy = report["privacy"]
    assert (privacy["unit"], privacy["adjacency"], privacy["delta"]) == ("interaction", "add-or-remove", 1e-5)
    # six noisy steps at sigma 3.3 and sample rate 1, as Opacus's accountant has them
    assert 3.0 < privacy["epsilon_aggregate"] == row["epsilon_aggregate"] < 3.5
    assert sum(int(wei) for wei in row["reward"].values()) > 0

    stdout, _ = run_to_its_end(("verify", "real", "--json"), tmp_path)
    verified = json.loads(stdout)
    assert (verified["verified"], verified["rounds"], verified["models"]) == (True, 1, 1)
