"""Whole runs with noise: scored, settled, and stated as far as they can be."""

from pathlib import Path
from typing import Any

import pytest

from tests.small_federation import SmallFederation, with_settings

NOISE = {"noise": "gaussian", "clipping_norm": 3.0, "noise_multiplier": 0.5}
KINDS = {
    "ials": {},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "dp-sgd": {"noise": "dp-sgd", "model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "batch_size": 200.0},
    "mf": {"model": "mf"},
    "warm start": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_update_with_noise_is_accepted_and_scored(small: SmallFederation, tmp_path: Path, kind: str) -> None:
    settings = with_settings(small, **(NOISE | KINDS[kind]), withhold_metrics=True)
    played = small.play(tmp_path, settings=settings)
    for row in played.report["rounds"]:
        assert row["participants"] == 5
        assert len(row["gain"]) == 5
        assert not row["rejected"]
    assert played.report["ledger"]["verified"] is True


def test_the_epsilon_grows_with_the_rounds_and_says_what_it_means(small: SmallFederation, tmp_path: Path) -> None:
    played = small.play(tmp_path, settings=with_settings(small, **NOISE, withhold_metrics=True))
    first, second = (row["epsilon_aggregate"] for row in played.report["rounds"])
    privacy = played.report["privacy"]
    assert 0 < first < second == privacy["epsilon_aggregate"] == privacy["epsilon_committee"]
    assert (privacy["unit"], privacy["adjacency"], privacy["delta"]) == ("client", "zero-out", 1e-5)
    assert privacy["reason"] is None


def test_withheld_metrics_leave_no_trace(small: SmallFederation, tmp_path: Path) -> None:
    played = small.play(tmp_path, settings=with_settings(small, **NOISE, withhold_metrics=True))
    assert played.report["final"] == {}
    assert all(row["ndcg_at_10"] is None for row in played.report["rounds"])


def test_metrics_that_are_reported_void_the_claim(small: SmallFederation, tmp_path: Path) -> None:
    played = small.play(tmp_path, settings=with_settings(small, **NOISE))
    assert played.report["privacy"]["epsilon_aggregate"] is None
    assert "metrics" in played.report["privacy"]["reason"]
    assert played.report["final"]["ndcg_at_10"] > 0


def test_an_update_without_the_noise_that_was_asked_for_is_rejected(small: SmallFederation, tmp_path: Path) -> None:
    def without_noise(message: Any, context: Any, app: Any) -> Any:
        message.content["round"]["noise"] = "none"
        return app(message, context)

    settings = with_settings(small, **NOISE)
    played = small.play(tmp_path, settings=settings, acts={0: without_noise})
    (reason,) = played.reasons(1, small.accounts[0].address)
    assert "has not the type and shape" in reason or "public value" in reason


def test_insecure_noise_repeats_and_claims_nothing(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, **NOISE, withhold_metrics=True, insecure_deterministic_noise=True)
    runs = [small.play(tmp_path / name, settings=settings) for name in ("one", "two")]
    assert [run.evidence(2)["next_model"] for run in runs] == [runs[0].evidence(2)["next_model"]] * 2
    assert runs[0].report["privacy"]["epsilon_aggregate"] is None


def test_secure_noise_does_not_repeat(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, **NOISE)
    first, second = (small.play(tmp_path / name, settings=settings).evidence(1) for name in ("one", "two"))
    assert first["next_model"] != second["next_model"]
