from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from server.convergence import LEAST_GAIN, chosen_round, stop_reason
from tests.small_federation import SmallFederation, with_settings


def rows(*figures: float | None, key: str = "validation_ndcg_at_10") -> list[dict[str, Any]]:
    return [{key: figure} for figure in figures]


@pytest.mark.parametrize(
    ("settings", "figures", "reason"),
    [
        ({}, (0.3, 0.2, 0.1, None), None),
        ({"patience": 2}, (0.3, 0.2, None), None),
        ({"patience": 2}, (0.3, 0.2, 0.1, None), "no model of 2 rounds was better than that of round 1"),
        ({"patience": 2}, (0.3, 0.2, 0.31, 0.1, None), None),
        ({"patience": 1}, (0.3, 0.3 + LEAST_GAIN / 2, None), "no model of 1 rounds was better than that of round 1"),
        ({"patience": 2}, (None, None, None), None),
        ({"target": 0.3}, (0.2, 0.29, None), None),
        ({"target": 0.3}, (0.2, 0.3, None), "the model of round 2 has reached the target 0.3"),
        ({"target": 0.3, "patience": 5}, (0.4, None), "the model of round 1 has reached the target 0.3"),
    ],
)
def test_a_run_stops_when_no_model_is_better_or_one_is_good_enough(
    settings: dict[str, Any], figures: tuple[float | None, ...], reason: str | None
) -> None:
    assert stop_reason(Settings(**settings), rows(*figures)) == reason


def test_of_ratings_the_error_counts_and_less_is_better() -> None:
    played = rows(1.0, 0.9, 0.95, 0.94, None, key="validation_rmse")
    assert stop_reason(Settings(model="mf", patience=2), played) is not None
    assert stop_reason(Settings(model="mf", patience=3), played) is None
    assert stop_reason(Settings(model="mf", target=0.94), played) is not None
    assert stop_reason(Settings(model="mf", target=0.93), played) is None
    assert chosen_round(Settings(model="mf", keep="best"), played) == 2


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_best_round_is_one_that_no_other_beats(figures: list[float | None]) -> None:
    chosen = chosen_round(Settings(keep="best"), rows(*figures))
    measured = [figure for figure in figures if figure is not None]
    if not measured:
        assert chosen == len(figures)
        return
    best = figures[chosen - 1]
    assert best is not None
    assert all(figure <= best + LEAST_GAIN for figure in measured)
    assert chosen_round(Settings(keep="last"), rows(*figures)) == len(figures)


def test_a_run_that_stops_is_settled_measured_and_the_same_when_it_is_started_again(
    small: SmallFederation, tmp_path: Path
) -> None:
    settings = with_settings(small, rounds=9, patience=1, keep="best")
    ledger = small.ledger()
    played = small.play(tmp_path, ledger, settings=settings)
    report = played.report
    count = len(report["rounds"])
    assert 2 <= count < 9
    assert report["stopped_early"].startswith("no model of 1 rounds was better")
    assert report["ledger"]["settled_rounds"] == count
    assert report["ledger"]["verified"] is True
    figures = [row["validation_ndcg_at_10"] for row in report["rounds"]]
    assert report["chosen_round"] == chosen_round(settings, report["rounds"])
    assert report["final_validation"]["ndcg_at_10"] == pytest.approx(figures[report["chosen_round"] - 1])
    again = small.play(tmp_path, ledger, settings=settings)
    assert again.report == report


def test_a_target_ends_a_run(small: SmallFederation, tmp_path: Path) -> None:
    report = small.play(tmp_path, settings=with_settings(small, rounds=9, target=1e-6)).report
    assert len(report["rounds"]) == 2
    assert "reached the target" in report["stopped_early"]
    assert report["chosen_round"] == 2


def test_without_validation_figures_all_rounds_are_played(small: SmallFederation, tmp_path: Path) -> None:
    settings = with_settings(small, rounds=3, patience=1, keep="best", withhold_metrics=True)
    report = small.play(tmp_path, settings=settings).report
    assert (len(report["rounds"]), report["stopped_early"], report["chosen_round"]) == (3, None, 3)
