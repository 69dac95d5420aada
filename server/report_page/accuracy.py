"""How good the model became."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.report_page.line_plot import Line, LinePlot
from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity, finite
from server.report_page.series import Rows, last_value, round_numbers, row_values
from server.report_page.tables import figure, table

_MEASURES = {"hit_ratio": "HR", "ndcg": "NDCG", "map": "MAP", "mrr": "MRR", "rmse": "RMSE", "mae": "MAE"}
# key of the row, label at the line's end, dashed
_SAMPLED = (
    ("hit_ratio_at_10", "HR@10", False),
    ("ndcg_at_10", "NDCG@10", False),
    ("validation_ndcg_at_10", "validation", True),
)
_FULL = (
    ("full_hit_ratio_at_10", "HR@10", False),
    ("full_ndcg_at_10", "NDCG@10", False),
    ("validation_full_ndcg_at_10", "validation", True),
)
_RATINGS = (
    ("rmse", "RMSE", False),
    ("mae", "MAE", False),
    ("validation_rmse", "RMSE val.", True),
    ("validation_mae", "MAE val.", True),
)
# title, explanation, series, the key whose course is told in words
_PLOTS = (
    ("Rating error", "Of the ratings held out, in stars; less is better.", _RATINGS, "rmse"),
    (
        "Among 100 candidates",
        "Each user's held-out item ranked among 99 sampled items that the user has not seen. "
        "HR@10 is the share found in the first ten; NDCG@10 counts more the higher it stands.",
        _SAMPLED,
        "ndcg_at_10",
    ),
    (
        "Among the whole catalogue",
        "The same, ranked among every item that the user has not seen: harder, and closer to real use.",
        _FULL,
        "full_ndcg_at_10",
    ),
)


def accuracy_section(report: Mapping[str, Any], rows: Rows) -> Html:
    """Return the plots of accuracy, and all final metrics as a table."""
    plots = [
        figure(_plot(number, title, series, rows), _course(told, rows), explanation)
        for number, (title, explanation, series, told) in enumerate(_PLOTS)
        if any(value is not None for key, _, _ in series for value in row_values(rows, key))
    ]
    if not plots:
        return element("p", _why_there_is_none(report))
    return joined(
        element(
            "p",
            "Measured by each client on items it held out of its own training, and averaged over all users. "
            "A model is measured when the clients receive it, so the newest row can still be empty.",
            class_="lead",
        ),
        element("div", *plots, class_="pair"),
        _final_metrics(report),
    )


def _why_there_is_none(report: Mapping[str, Any]) -> str:
    if report.get("metrics_withheld"):
        return (
            "The clients kept these figures to themselves, because an epsilon must cover everything that they send. "
            "What is known is how much each update gained on the public probe set: see Clients."
        )
    return "Nothing has been measured yet."


def metric_name(key: str) -> str:
    """Return a metric as people write it: "full_ndcg_at_10" is "NDCG@10, whole catalogue"."""
    if key.startswith("personal_"):
        return f"{metric_name(key.removeprefix('personal_'))}, as its own users see it"
    name, _, cut = key.removeprefix("full_").partition("_at_")
    if name not in _MEASURES:
        return key
    written = f"{_MEASURES[name]}@{cut}" if cut else _MEASURES[name]
    return f"{written}, whole catalogue" if key.startswith("full_") else written


def _plot(number: int, title: str, series: Sequence[tuple[str, str, bool]], rows: Rows) -> LinePlot:
    lines = []
    for colour, (key, label, dashed) in enumerate(series, start=1):
        values = row_values(rows, key)
        if any(value is not None for value in values):
            split = "validation" if key.startswith("validation_") else "test"
            name = f"{metric_name(key.removeprefix('validation_').removeprefix('full_'))} {split}"
            lines.append(Line(label, values, colour, name, dashed))
    return LinePlot(f"accuracy{number}", title, Quantity(), round_numbers(rows), lines)


def _course(key: str, rows: Rows) -> str:
    measured = [
        (number, value)
        for number, value in zip(round_numbers(rows), row_values(rows, key), strict=True)
        if value is not None
    ]
    if not measured:
        return f"{metric_name(key)} on the test items has not been measured."
    (first, begun), (last, ended) = measured[0], measured[-1]
    name = f"{metric_name(key)} on the test items"
    if first == last:
        return f"{name} was {Quantity().text(ended)} after round {last}."
    return (
        f"{name} went from {Quantity().text(begun)} after round {first} to {Quantity().text(ended)} after round {last}."
    )


def _final_metrics(report: Mapping[str, Any]) -> Html:
    test, validation = report.get("final") or {}, report.get("final_validation") or {}
    keys = [*test, *(key for key in validation if key not in test)]
    if not keys:
        return Html()
    rows = (
        [metric_name(key), Quantity().text(finite(test.get(key))), Quantity().text(finite(validation.get(key)))]
        for key in keys
    )
    return element(
        "details",
        element("summary", "Every metric of the model"),
        table(
            "Every metric of the model that the run ends with", ["Metric", "Test", "Validation"], rows, class_="figures"
        ),
    )


def final_value(report: Mapping[str, Any], rows: Rows, key: str) -> tuple[float | None, str]:
    """Return the metric of the run's last word, or the latest that was measured, and what to say about it."""
    value = finite((report.get("final") or {}).get(key))
    if value is not None:
        measured = zip(round_numbers(rows), row_values(rows, key), strict=True)
        first, begun = next(((number, one) for number, one in measured if one is not None), (0, None))
        change = Quantity(signed=True)
        return value, f"{change.text(value - begun)} since round {first}" if begun is not None and len(rows) > 1 else ""
    return last_value(row_values(rows, key)), "the latest so far"
