from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from server.convergence import LAST, LEAST_GAIN, Choice, choose_round, stop_reason
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
    assert choose_round(Settings(model="mf", keep="best"), played) == Choice(2, "the best on validation")


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_best_round_is_the_first_that_no_other_beats(figures: list[float | None]) -> None:
    chosen = choose_round(Settings(keep="best"), rows(*figures)).server_round
    measured = [figure for figure in figures if figure is not None]
    if not measured:
        assert chosen == len(figures)
        return
    best = figures[chosen - 1]
    assert best is not None
    assert all(figure <= best for figure in measured)
    assert all(figure is None or figure < best for figure in figures[: chosen - 1])
    for plain in (Settings(keep="last"), Settings(), Settings(model="ncf", keep="last", variant="gmf")):
        assert choose_round(plain, rows(*figures)) == Choice(len(figures), LAST)


# The gate of a warm start


def weighed(*figures: float | None, idle: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Rows of rounds in which one client has all the weight, but for the idle ones, in which nobody counts."""
    return [
        row | {"weight": {"0x1": 0.0 if number in idle else 1.0}} for number, row in enumerate(rows(*figures), start=1)
    ]


WARM: dict[str, Any] = {"model": "ncf", "variant": "neumf", "warm_start_rounds": 2}


@pytest.mark.parametrize("warm_start", ["ials", "gmf-mlp"])
@pytest.mark.parametrize(
    ("played", "chosen", "reason"),
    [
        (
            weighed(0.2, 0.5, 0.3, 0.4),
            2,
            "the best on validation: NCF did not pass the model of round 2, which it started from",
        ),
        (
            weighed(0.2, 0.5, 0.4, 0.52, 0.51),
            4,
            "the best on validation, NDCG@10 0.5200; NCF started from the model of round 2, 0.5000",
        ),
        (
            weighed(0.2, 0.2, 0.5, 0.4, idle=(2,)),
            3,
            "the best on validation: NCF did not pass the model of round 3, which it started from",
        ),
        (weighed(0.2, None, 0.5), 3, "the best on validation"),
        (weighed(0.3, 0.2), 1, "the best on validation"),
        (
            weighed(None, None, None),
            3,
            "the last, because there are no validation figures: which is best, and whether it is better than what its "
            "warm start ended with is not known",
        ),
    ],
)
def test_without_further_flags_a_warm_start_is_gated(
    warm_start: Any, played: list[dict[str, Any]], chosen: int, reason: str
) -> None:
    assert choose_round(Settings(**WARM, warm_start=warm_start), played) == Choice(chosen, reason)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_a_warm_start_never_ends_below_its_start(figures: list[float]) -> None:
    chosen = choose_round(Settings(**WARM), weighed(*figures)).server_round
    assert figures[chosen - 1] >= figures[1]


@pytest.mark.parametrize(
    "changed", [{"keep": "last"}, {"variant": "fused"}, {"variant": "mlp"}, {"warm_start_rounds": 0}]
)
def test_the_last_model_it_is_without_a_warm_start_or_where_that_is_asked_for(changed: dict[str, Any]) -> None:
    assert choose_round(Settings(**(WARM | changed)), weighed(0.2, 0.5, 0.3)) == Choice(3, LAST)


def test_a_run_whose_ncf_is_spoilt_ends_with_the_model_that_it_started_from(
    small: SmallFederation, tmp_path: Path
) -> None:
    spoilt = {"model": "ncf", "variant": "gmf", "warm_start_rounds": 2, "item_learning_rate": 1e3, "rounds": 4}
    report = small.play(tmp_path / "gated", settings=with_settings(small, **spoilt)).report
    figures = [row["validation_ndcg_at_10"] for row in report["rounds"]]
    assert max(figures[2:]) < figures[1] - 0.05
    assert report["chosen_round"] == 2
    assert "NCF did not pass the model of round 2, which it started from" in report["chosen_as"]
    assert report["final_validation"]["ndcg_at_10"] == pytest.approx(figures[1])
    ungated = small.play(tmp_path / "ungated", settings=with_settings(small, **spoilt, keep="last")).report
    assert (ungated["chosen_round"], ungated["chosen_as"]) == (4, LAST)
    assert ungated["final_validation"]["ndcg_at_10"] == pytest.approx(figures[3])
    alone = small.play(tmp_path / "alone", settings=with_settings(small, rounds=2)).report
    assert figures[1] == pytest.approx(alone["final_validation"]["ndcg_at_10"])  # it is iALS, and not NCF begun from it


def test_where_nobody_tells_its_figures_the_report_says_that_nothing_was_gated(
    small: SmallFederation, tmp_path: Path
) -> None:
    warm = {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1, "rounds": 2, "withhold_metrics": True}
    report = small.play(tmp_path, settings=with_settings(small, **warm)).report
    assert report["chosen_round"] == 2
    assert report["chosen_as"].startswith("the last, because there are no validation figures")


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
    assert report["chosen_round"] == choose_round(settings, report["rounds"]).server_round
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
