"""The page from top to bottom."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.report_page.accuracy import accuracy_section, final_value
from server.report_page.costs import bytes_text, costs_section, total_seconds
from server.report_page.markup import Content, Html, element, foreign, joined
from server.report_page.participants import participants_section, total_earned
from server.report_page.quantities import MISSING, NO_BREAK, Quantity, count_text, duration_text, finite
from server.report_page.series import Rows, client_values, rejections, row_values
from server.report_page.statements import ledger_section, left_out_section, privacy_section
from server.report_page.style import HATCHES, STYLE

# Nothing may be loaded and nothing may run, whatever a client managed to get into the report.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_KINDS = {"external": "a chain given by URL", "anvil": "Anvil", "embedded": "the embedded chain", "memory": "memory"}
# key of the metrics, name and note of the tile
_HEADLINES = (
    ("rmse", "RMSE", "of the ratings held out"),  # where there are any, they are what the model was trained for
    ("mae", "MAE", "of the ratings held out"),
    ("ndcg_at_10", "NDCG@10", "among 100 candidates"),
    ("hit_ratio_at_10", "HR@10", "among 100 candidates"),
    ("full_ndcg_at_10", "NDCG@10", "whole catalogue"),
)


def render_report(report: Mapping[str, Any]) -> str:
    """Return a run's report as one HTML page.

    The page is whole by itself: no script, no font, no picture and no address outside it, in light and dark. Its
    text, which clients can influence through the reasons of refusals, is escaped.

    Args:
        report: What `server.report.build_report` returns, or report.json holds. Figures that are missing or None are
            left out: the run may still be going on, or its model may be measured otherwise.
    """
    rows: Rows = report.get("rounds") or ()
    ledger: Mapping[str, Any] = report.get("ledger") or {}
    sections = (
        ("accuracy", "Accuracy", accuracy_section(report, rows)),
        ("clients", "Clients", participants_section(rows)),
        ("left-out", "Updates left out", left_out_section(rows)),
        ("costs", "Time and traffic", costs_section(rows)),
        ("privacy", "Privacy", privacy_section(report.get("privacy") or {}, rows)),
        ("ledger", "Ledger", ledger_section(ledger, rows)),
    )
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("link", rel="icon", href="data:,"),
            element("title", f"{_text(report, 'model')} on {_text(report, 'dataset')}: a T-FedRS run"),
            element("style", Html(STYLE)),
        ),
        element(
            "body",
            HATCHES,
            _header(report, rows, ledger, [(key, name) for key, name, _ in sections]),
            element(
                "main",
                (element("section", element("h2", name), content, id=key) for key, name, content in sections),
            ),
            element(
                "footer", "Written by T-FedRS from report.json, which lies beside this page and holds every figure."
            ),
        ),
        lang="en-GB",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _header(
    report: Mapping[str, Any], rows: Rows, ledger: Mapping[str, Any], sections: Sequence[tuple[str, str]]
) -> Html:
    kind = str(ledger.get("kind"))
    facts: list[tuple[str, Content]] = [
        ("Data set", foreign(_text(report, "dataset"))),
        ("Model", foreign(_text(report, "model"))),
        ("Clients", _text(report, "clients")),
        ("Rounds", f"{len(rows)}{', ended early' if report.get('stopped_early') else ''}"),
        ("Final model", foreign(f"of round {_text(report, 'chosen_round')}, {_text(report, 'chosen_as')}")),
        ("Seed", _text(report, "seed")),
        ("Chain", foreign(_KINDS.get(kind, kind))),
        ("Run", element("code", foreign(str(ledger.get("run_id", MISSING))[:12]), title=str(ledger.get("run_id")))),
    ]
    return element(
        "header",
        element("p", element("strong", "T-FedRS"), " run report ", _state(ledger), class_="brand"),
        element("h1", foreign(_text(report, "model")), " on ", foreign(_text(report, "dataset"))),
        element(
            "dl", (element("div", element("dt", name), element("dd", said)) for name, said in facts), class_="facts"
        ),
        _tiles(report, rows),
        element(
            "nav",
            (element("a", name, href=f"#{key}") for key, name in sections),
            aria_label="Sections",
        ),
    )


def _state(ledger: Mapping[str, Any]) -> Html:
    verified = ledger.get("verified")
    if verified is None:
        return element("span", "not finished", class_="state going")
    if verified:
        return element("span", "finished, ledger agrees", class_="state good")
    return element("span", "ledger does not agree", class_="state bad")


def _tiles(report: Mapping[str, Any], rows: Rows) -> Html:
    """Return the key figures; what is not known has no tile."""
    tiles: list[Html] = []
    for key, name, note in _HEADLINES:
        value, change = final_value(report, rows, key)
        if value is not None:
            tiles.append(_tile(name, Quantity().text(value), note, change))
    privacy = report.get("privacy") or {}
    if (epsilon := finite(privacy.get("epsilon_committee"))) is not None:
        tiles.append(_tile("Epsilon", Quantity(decimals=2).text(epsilon), f"for one {_text(privacy, 'unit')}"))
    refused = len(rejections(rows))
    used = sum(bool(weight) for weights in client_values(rows, "weight").values() for weight in weights)
    tiles.append(_tile("Updates used", f"{used:,}", f"{refused:,} left out" if refused else "none left out"))
    seconds = total_seconds(rows)
    per_round = f"{duration_text(seconds / len(rows))} a round" if rows else ""
    tiles.append(_tile("Time", duration_text(seconds), per_round))
    up, down = (sum(value or 0.0 for value in row_values(rows, key)) for key in ("bytes_up", "bytes_down"))
    tiles.append(_tile("Traffic", bytes_text(up + down), f"{bytes_text(up)} up"))
    tiles.append(
        _tile("Rewards", f"{total_earned(rows):,.0f}{NO_BREAK}TFR", f"in {count_text(len(rows), 'round', 'rounds')}")
    )
    gas = [value for value in row_values(rows, "gas") if value is not None]
    if gas:
        tiles.append(_tile("Gas", f"{sum(gas):,.0f}", "on the ledger" if any(gas) else "this ledger costs none"))
    return element("ul", tiles, class_="tiles", aria_label="Key figures")


def _tile(name: str, value: str, *notes: str) -> Html:
    return element(
        "li",
        element("span", name, class_="name"),
        element("strong", value),
        joined(element("span", note, class_="note") for note in notes if note),
    )


def _text(report: Mapping[str, Any], key: str) -> str:
    value = report.get(key)
    return MISSING if value is None else str(value)
