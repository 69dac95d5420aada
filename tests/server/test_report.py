import math
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from server.report import Chosen, add_metrics, build_report, mean_metrics
from server.report_page.page import render_report
from server.run_privacy import run_statement

FIGURES = st.fixed_dictionaries(
    {"test_users": st.integers(0, 100), "validation_users": st.integers(0, 100)},
    optional={"test_ndcg_at_10": st.floats(0, 1), "validation_ndcg_at_10": st.floats(0, 1)},
)


def test_metrics_are_averaged_over_users_not_over_clients() -> None:
    mean = mean_metrics(
        [
            {"test_users": 1, "test_ndcg_at_10": 1.0, "validation_users": 4, "validation_ndcg_at_10": 0.5},
            {"test_users": 3, "test_ndcg_at_10": 0.0, "validation_users": 0},
        ]
    )
    assert mean == {"test_ndcg_at_10": 0.25, "validation_ndcg_at_10": 0.5}


def test_a_figure_that_some_leave_out_is_the_mean_of_the_others() -> None:
    mean = mean_metrics(
        [
            {"test_users": 1, "test_ndcg_at_10": 1.0, "test_personal_ndcg_at_10": 0.5},
            {"test_users": 3, "test_ndcg_at_10": 0.0},
        ]
    )
    assert mean == {"test_ndcg_at_10": 0.25, "test_personal_ndcg_at_10": 0.5}


@given(st.lists(FIGURES, max_size=5))
def test_a_mean_lies_between_what_was_reported_and_nobody_is_no_mean(reported: list[dict[str, float]]) -> None:
    mean = mean_metrics(reported)
    for name, value in mean.items():
        users = name.split("_")[0] + "_users"
        seen = [figures[name] for figures in reported if name in figures]
        assert any(figures[users] for figures in reported)
        assert 0 <= value <= max(seen) * (1 + 1e-12)


@given(st.lists(FIGURES, max_size=5), st.randoms())
def test_the_order_of_clients_changes_no_mean(reported: list[dict[str, float]], random) -> None:
    turned = mean_metrics(random.sample(reported, len(reported)))
    assert turned == pytest.approx(mean_metrics(reported))


def test_the_largest_figures_that_the_wire_lets_through_do_not_overflow() -> None:
    largest = {"test_users": 1e9, "test_ndcg_at_10": 1e9}
    assert mean_metrics([largest] * 1000) == {"test_ndcg_at_10": 1e9}


@given(st.lists(st.lists(st.floats(-4.5, 4.5), max_size=5), min_size=1, max_size=6))
def test_rmse_is_that_of_all_users_at_once(errors_of_clients: list[list[float]]) -> None:
    reported = [
        {"test_users": len(errors)}
        | ({"test_mse": fmean(error**2 for error in errors), "test_mae": fmean(map(abs, errors))} if errors else {})
        for errors in errors_of_clients
    ]
    everybody = [error for errors in errors_of_clients for error in errors]
    mean = mean_metrics(reported)
    if not everybody:
        assert mean == {}
        return
    assert mean["test_rmse"] == pytest.approx(math.sqrt(fmean(error**2 for error in everybody)))
    assert mean["test_mae"] == pytest.approx(fmean(map(abs, everybody)))
    assert "test_mse" not in mean


def test_only_a_model_of_ratings_has_errors_of_ratings() -> None:
    ranked: dict[str, object] = {}
    add_metrics(ranked, {"test_ndcg_at_10": 0.5})
    assert "rmse" not in ranked
    rated: dict[str, object] = {"round": 1}
    final = {"test_rmse": 0.9, "test_mae": 0.7, "validation_rmse": 0.8, "validation_mae": 0.6}
    add_metrics(rated, final)
    assert [rated[key] for key in ("rmse", "mae", "validation_rmse", "validation_mae")] == [0.9, 0.7, 0.8, 0.6]
    settings = Settings(model="mf")
    report = build_report(
        settings, [rated], final, {"kind": "memory"}, run_statement(settings, 1), Chosen(1, "the last", None)
    )
    assert report["final"] == {"rmse": 0.9, "mae": 0.7}
    assert report["final_validation"] == {"rmse": 0.8, "mae": 0.6}
    assert "RMSE" in render_report(report)


def test_the_report_has_its_stable_keys() -> None:
    row: dict[str, object] = {}
    add_metrics(row, {"test_ndcg_at_10": 0.5})
    assert (row["ndcg_at_10"], row["full_ndcg_at_10"]) == (0.5, None)
    final = {"test_ndcg_at_10": 0.5, "test_full_ndcg_at_10": 0.1, "validation_ndcg_at_10": 0.6}
    report = build_report(
        Settings(seed=3),
        [row],
        final,
        {"kind": "memory"},
        run_statement(Settings(seed=3), 1),
        Chosen(1, "the last", None),
    )
    assert {"dataset", "model", "clients", "seed", "rounds", "final", "ledger", "privacy"} <= set(report)
    assert report["final"] == {"ndcg_at_10": 0.5, "full_ndcg_at_10": 0.1}
    assert report["final_validation"] == {"ndcg_at_10": 0.6}
    assert report["seed"] == 3
    epsilons = [value for key, value in report["privacy"].items() if key.startswith("epsilon")]
    assert epsilons == [None, None]
    assert report["privacy"]["reason"]
