"""The report page: whole, well-formed, harmless whatever a client wrote, and readable without its pictures."""

import json
import math
import random
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.report_page import render_report
from server.report_page.marks import MARKS
from server.report_page.markup import Html, element, escaped, foreign
from server.report_page.participants import line_names
from server.report_page.quantities import Quantity, byte_quantity, duration_text, finite, number_text, short_account
from server.report_page.scales import Scale, nice_ticks, round_ticks, spread_apart, tick_decimals
from server.report_page.series import carried, client_values, quantile, running_total, spread_of
from server.report_page.style import LINES_DARK, LINES_LIGHT, STYLE

SECTIONS = ["Accuracy", "Clients", "Updates left out", "Time and traffic", "Privacy", "Ledger"]
CARDS = {"light": "#ffffff", "dark": "#191e25"}
VALUES = st.floats(-1e12, 1e12, allow_subnormal=False)


def accounts(count: int) -> list[str]:
    random_bits = random.Random(7)
    return [f"0x{random_bits.getrandbits(160):040x}" for _ in range(count)]


def a_row(server_round: int, clients: int) -> dict[str, Any]:
    cohort = accounts(clients)
    return {
        "round": server_round,
        "seconds": 6.5,
        "train_seconds": 2.0,
        "score_seconds": 4.0,
        "settle_seconds": 0.5,
        "hit_ratio_at_10": 0.7,
        "ndcg_at_10": 0.4 + server_round / 100,
        "validation_ndcg_at_10": 0.45,
        "full_hit_ratio_at_10": 0.07,
        "full_ndcg_at_10": 0.04,
        "validation_full_ndcg_at_10": 0.05,
        "bytes_up": 6_500_000,
        "bytes_down": 72_000_000,
        "participants": clients,
        "gain": {account: 0.01 * place - 0.02 for place, account in enumerate(cohort)},
        "reputation": {account: 0.5 + 0.5 * place / clients for place, account in enumerate(cohort)},
        "weight": dict.fromkeys(cohort, 1 / clients),
        "reward": dict.fromkeys(cohort, str(10**21 // clients)),
        "rejected": [],
        "gas": 195_403,
        "epsilon_aggregate": None,
    }


def a_report(clients: int = 5, rounds: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "dataset": "ml-latest-small-2016",
        "model": "ials",
        "clients": clients,
        "seed": 1,
        "rounds": [a_row(number, clients) for number in range(1, rounds + 1)],
        "final": {"ndcg_at_10": 0.4937, "hit_ratio_at_10": 0.7317, "full_ndcg_at_10": 0.0401},
        "final_validation": {"ndcg_at_10": 0.5267},
        "ledger": {
            "kind": "anvil",
            "chain_id": 31337,
            "address": "0x10391E54724eBEE3F4f97F3ad3d96a55395A2171",
            "run_id": "cb486b0c1b98f336",
            "settled_rounds": rounds,
            "verified": True,
        },
        "privacy": {
            "mode": "visible",
            "unit": None,
            "adjacency": None,
            "epsilon_aggregate": None,
            "epsilon_committee": None,
            "delta": None,
            "reason": "no noise is added",
        },
        **changes,
    }


def parsed(page: str) -> ElementTree.Element:
    """Read the page as XML, which is stricter than HTML: every element closed, every attribute quoted."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 (our own page)


def text_of(node: ElementTree.Element | None) -> str:
    assert node is not None
    return " ".join("".join(node.itertext()).replace("\u00a0", " ").split())


def section(page: str, key: str) -> ElementTree.Element:
    found = parsed(page).find(f".//section[@id='{key}']")
    assert found is not None
    return found


def plots(page: str) -> list[ElementTree.Element]:
    return [svg for svg in parsed(page).iter("svg") if svg.get("role") == "img"]


# --- the page


@pytest.mark.parametrize(("clients", "rounds"), [(5, 5), (5, 1), (2, 0), (20, 3), (100, 2), (3, 50)])
def test_every_section_is_there_whatever_the_size(clients: int, rounds: int) -> None:
    page = render_report(a_report(clients, rounds))
    assert [text_of(heading) for heading in parsed(page).iter("h2")] == SECTIONS


def test_page_asks_nothing_of_anybody() -> None:
    page = render_report(a_report())
    assert "//" not in page
    assert not re.search(r"<script|@import|url\((?!#hatch)|\bsrc=", page)
    links = [node.get("href", "") for node in parsed(page).iter() if "href" in node.attrib]
    assert all(link.startswith("#") or link == "data:," for link in links)
    policy = parsed(page).find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.get("content", "").startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_links_lead_to_sections_and_ids_are_used_once() -> None:
    tree = parsed(render_report(a_report(clients=30)))
    ids = [node.get("id") for node in tree.iter() if "id" in node.attrib]
    assert len(ids) == len(set(ids))
    assert {link.get("href", "")[1:] for link in tree.iter("a")} <= set(ids)


def test_every_plot_has_a_title_a_description_and_its_figures_as_a_table() -> None:
    page = render_report(a_report())
    drawn = plots(page)
    assert drawn
    for svg in drawn:
        title, description = svg.find("title"), svg.find("desc")
        assert text_of(title)
        assert text_of(description)
        assert title is not None
        assert description is not None
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    for figure in parsed(page).iter("figure"):
        assert len(figure.findall(".//details//table")) == 1
        assert [svg.get("class") for svg in figure.iter("svg")] == ["plot wide", "plot narrow"]


def test_what_a_client_wrote_stays_text() -> None:
    hostile = "</td></table><script>alert(1)</script> & \u202eyas \x00\ud800"
    report = a_report()
    report["rounds"][1]["rejected"] = [{"account": '0x"><img src=x onerror=alert(1)>', "reason": hostile}]
    report["privacy"]["reason"] = "<b onclick='alert(1)'>"
    page = render_report(report)
    page.encode()
    tree = parsed(page)
    assert not list(tree.iter("script"))
    assert not list(tree.iter("img"))
    assert not [key for node in tree.iter() for key in node.attrib if key.startswith("on")]
    row = section(page, "left-out").findall(".//tbody/tr")[0]
    assert text_of(row.findall("td")[1]) == "</td></table><script>alert(1)</script> & \ufffdyas \ufffd\ufffd"


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    shown = ElementTree.fromstring(element("p", foreign(text), title=text))  # noqa: S314 (our own)
    assert len(shown) == 1
    assert [child.tag for child in shown.iter()] == ["p", "bdi"]


def test_a_long_reason_is_cut() -> None:
    assert foreign("a" * 301) == f"<bdi>{'a' * 300}…</bdi>"


def test_left_out_updates_are_listed_with_round_account_and_reason_or_none_is_said() -> None:
    report = a_report()
    assert "None: every update that arrived was accepted." in text_of(section(render_report(report), "left-out"))
    account = accounts(5)[0]
    report["rounds"][1]["rejected"] = [{"account": account, "reason": "late"}] * 40
    rows = section(render_report(report), "left-out").findall(".//tbody/tr")
    assert len(rows) == 40
    assert [text_of(cell) for cell in rows[39]] == ["2", short_account(account), "late"]
    assert rows[0].find(f".//code[@title='{account}']") is not None


def test_table_of_clients_shows_what_each_earned_most_first() -> None:
    report = a_report(clients=3, rounds=2)
    rich, poor, absent = accounts(3)
    report["rounds"][0]["reward"] = {rich: str(7 * 10**20), poor: str(3 * 10**20)}
    report["rounds"][1]["reward"] = {rich: str(5 * 10**20)}
    for row in report["rounds"]:
        for key in ("gain", "reputation", "weight"):
            del row[key][absent]
    report["rounds"][0] |= {"asked": [rich], "took_part": [rich]}
    report["rounds"][1] |= {"rejected": [{"account": absent, "reason": "late"}], "took_part": [poor]}
    rows = section(render_report(report), "clients").findall(".//table[@class='clients']/tbody/tr")
    cells = [[text_of(cell) for cell in row] for row in rows]
    assert [row[0] for row in cells] == [short_account(one) for one in (rich, poor, absent)]
    assert [row[5] for row in cells] == ["1,200.00", "300.00", "\u2013"]
    assert [row[6] for row in cells] == ["1 of 2 (50 %)", "1 of 1 (100 %)", "0 of 1 (0 %)"]
    assert cells[2][7:] == ["0", "1"]


def test_few_clients_have_a_line_each_and_many_are_summed_up() -> None:
    few, many = (render_report(a_report(clients=count)) for count in (len(MARKS), len(MARKS) + 1))
    names = {text_of(label) for label in section(few, "clients").iter("text") if "label" in label.get("class", "")}
    assert names == {account[:6] for account in accounts(len(MARKS))}
    names = {text_of(label) for label in section(many, "clients").iter("text") if "label" in label.get("class", "")}
    assert names == {"greatest", "median", "least"}


def test_a_hundred_clients_are_all_in_the_folded_table() -> None:
    page = render_report(a_report(clients=100))
    folded = section(page, "clients").findall(".//details//table[@class='clients']/tbody/tr")
    assert len(folded) == 100
    assert len(page) < 300_000


def test_a_run_that_goes_on_is_said_to() -> None:
    report = a_report(final={}, final_validation={})
    report["ledger"]["verified"] = None
    report["rounds"][-1].update({key: None for key in report["rounds"][-1] if key.endswith("_at_10")}, gas=None)
    page = render_report(report)
    assert "not finished" in text_of(parsed(page).find(".//header"))
    assert "0.4200" in text_of(parsed(page).find(".//header"))  # the latest that was measured
    assert "Not compared yet" in text_of(section(page, "ledger"))


def test_a_ledger_that_does_not_agree_is_not_hidden() -> None:
    report = a_report()
    report["ledger"]["verified"] = False
    page = render_report(report)
    assert "ledger does not agree" in text_of(parsed(page).find(".//header"))
    assert "Do not rely on it" in text_of(section(page, "ledger"))


@pytest.mark.parametrize("kind", ["memory", "embedded", "anvil", "external", "<new>"])
def test_only_an_external_chain_is_a_witness(kind: str) -> None:
    report = a_report()
    report["ledger"]["kind"] = kind
    said = text_of(section(render_report(report), "ledger"))
    assert ("no independent witness" in said) == (kind in {"memory", "embedded", "anvil"})


def test_a_ledger_without_gas_says_so() -> None:
    report = a_report()
    for row in report["rounds"]:
        row["gas"] = 0
    assert "This ledger costs no gas." in text_of(section(render_report(report), "ledger"))


def test_without_noise_no_epsilon_is_claimed_and_the_reason_given() -> None:
    assert "No epsilon is claimed: no noise is added." in text_of(section(render_report(a_report()), "privacy"))


def test_an_epsilon_is_stated_with_unit_relation_and_delta() -> None:
    privacy = {
        "mode": "sealed",
        "unit": "client",
        "adjacency": "add or remove one",
        "epsilon_aggregate": 2.0,
        "epsilon_committee": None,
        "delta": 1e-05,
        "noise_multiplier": 1.25,
        "reason": "counts are sent without noise",
    }
    said = text_of(section(render_report(a_report(privacy=privacy)), "privacy"))
    assert "ε = 2 at δ = 1e\u22125, for one client (neighbouring data sets: add or remove one)." in said
    assert f"at most {math.exp(2):.2f}" in said
    assert "single updates, no epsilon is claimed: counts are sent without noise." in said
    assert "noise multiplier1.25" in said


def test_privacy_loss_is_drawn_where_rounds_have_one() -> None:
    report = a_report()
    for spent, row in enumerate(report["rounds"], start=1):
        row["epsilon_aggregate"] = 0.5 * spent
    assert "Privacy loss so far" in text_of(section(render_report(report), "privacy"))
    assert "Privacy loss so far" not in text_of(section(render_report(a_report()), "privacy"))


def test_a_model_of_ratings_shows_its_errors_instead_of_ranks() -> None:
    report = a_report(model="mf", final={"rmse": 0.91, "mae": 0.7}, final_validation={})
    report["rounds"] = [
        {key: value for key, value in row.items() if not key.endswith("_at_10")} | {"rmse": 0.95, "mae": 0.75}
        for row in report["rounds"]
    ]
    page = render_report(report)
    assert "RMSE0.9100" in text_of(parsed(page).find(".//header"))
    titles = [text_of(heading) for heading in section(page, "accuracy").iter("h3")]
    assert titles == ["Rating error"]


def test_almost_nothing_is_enough_for_a_page() -> None:
    for report in ({}, {"rounds": [{"round": 1}]}, {"rounds": [{"round": 4, "gain": None, "rejected": None}]}):
        assert [text_of(heading) for heading in parsed(render_report(report)).iter("h2")] == SECTIONS


def test_senseless_figures_leave_a_gap() -> None:
    report = a_report()
    report["rounds"][0].update(ndcg_at_10=math.nan, hit_ratio_at_10=1e300, bytes_up=math.inf, gas="many")
    report["rounds"][0]["gain"] = dict.fromkeys(accounts(5), math.nan)
    page = render_report(json.loads(json.dumps(report)))
    parsed(page)
    assert not re.search(r'="-?(nan|inf)|[MLh ](nan|inf)', page)


def test_page_is_the_same_for_the_same_report() -> None:
    assert render_report(a_report()) == render_report(a_report())


# --- the plots


@given(VALUES, VALUES, st.integers(2, 10))
def test_ticks_hold_the_values_and_are_evenly_spaced(one: float, other: float, most: int) -> None:
    low, high = min(one, other), max(one, other)
    ticks = nice_ticks(low, high, most)
    steps = [after - before for before, after in pairwise(ticks)]
    assert 2 <= len(ticks) <= most + 3
    assert ticks[0] <= low + 1e-6 * steps[0]
    assert ticks[-1] >= high - 1e-6 * steps[0]
    assert min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-6)


def test_ticks_are_the_decimals_that_a_reader_expects() -> None:
    assert nice_ticks(0.03, 0.31) == (0.0, 0.1, 0.2, 0.3, 0.4)
    assert nice_ticks(0, 1) == (0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert nice_ticks(0, 195_403) == (0, 50_000, 100_000, 150_000, 200_000)
    assert tick_decimals((0.0, 0.025, 0.05)) == 3
    assert tick_decimals((0.0, 5.0)) == 0


@given(st.integers(1, 500), st.integers(0, 500), st.integers(2, 12))
def test_named_rounds_begin_with_the_first_and_are_not_too_many(first: int, more: int, most: int) -> None:
    named = round_ticks(first, first + more, most)
    assert named[0] == first
    assert list(named) == sorted(set(named))
    assert named[-1] <= first + more
    assert len(named) <= most + 1


def test_a_scale_puts_more_higher_up() -> None:
    up = Scale(low=0.0, high=2.0, start=200.0, end=100.0)
    assert [up(0.0), up(1.0), up(2.0)] == [200.0, 150.0, 100.0]


@given(st.lists(st.floats(0, 200), min_size=1, max_size=10))
def test_labels_keep_apart_and_inside(places: list[float]) -> None:
    moved = spread_apart(places, gap=14.0, top=0.0, bottom=200.0)
    ordered = sorted(moved)
    assert all(after - before >= 14.0 - 1e-6 for before, after in pairwise(ordered))
    assert ordered[0] >= 0
    assert ordered[-1] <= 200.0 + 1e-6
    order = sorted(range(len(places)), key=lambda index: places[index])
    assert [moved[index] for index in order] == ordered


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread_apart([100.0, 20.0], gap=14.0, top=0.0, bottom=200.0) == (100.0, 20.0)
    assert spread_apart([50.0, 50.0], gap=14.0, top=0.0, bottom=200.0) == (43.0, 57.0)


def test_every_word_of_a_plot_is_inside_it() -> None:
    report = a_report(clients=10, rounds=50)
    for svg in plots(render_report(report)):
        width, height = (float(side) for side in svg.get("viewBox", "").split()[2:])
        for word in svg.iter("text"):
            anchor = word.get("text-anchor") or ("middle" if "middle" in word.get("class", "") else "start")
            long = 7.0 * len(text_of(word))
            left = float(word.get("x", "")) - {"start": 0, "middle": long / 2, "end": long}[anchor]
            assert left >= -1
            assert left + long <= width + 1
            assert 8 <= float(word.get("y", "")) <= height


def test_gaps_break_a_line() -> None:
    report = a_report(clients=2, rounds=5)
    account = accounts(2)[0]
    del report["rounds"][2]["gain"][account]
    gain = next(svg for svg in plots(render_report(report)) if svg.find("title[@id='gain-wide-title']") is not None)
    paths = [path.get("d", "") for group in gain.iter("g") if "line" in group.get("class", "") for path in group]
    assert sorted(path.count("M") for path in paths if "L" in path and "z" not in path) == [1, 2]


# --- series and numbers


def test_client_values_have_gaps_where_a_client_was_away() -> None:
    rows = [{"round": 1, "gain": {"0xb": 1.0}}, {"round": 2, "gain": {"0xB2": 2.0, "0xa": "x"}}, {"round": 3}]
    assert client_values(rows, "gain") == {"0xa": (None,) * 3, "0xb": (1.0, None, None), "0xB2": (None, 2.0, None)}


def test_totals_stand_still_and_reputations_stay_while_a_client_is_away() -> None:
    assert running_total([1.0, None, 2.0]) == (1.0, 1.0, 3.0)
    assert carried([None, 0.5, None]) == (None, 0.5, 0.5)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_quantiles_are_those_of_numpy(values: list[float], share: float) -> None:
    assert quantile(sorted(values), share) == pytest.approx(float(np.quantile(values, share)), abs=1e-9)


def test_spread_leaves_out_who_is_away() -> None:
    spread = spread_of({"a": (1.0, None), "b": (3.0, None), "c": (None, None)})
    assert (spread.least, spread.median, spread.greatest) == ((1.0, None), (2.0, None), (3.0, None))
    assert (spread.least_account, spread.greatest_account) == (("a", ""), ("b", ""))


def test_line_names_grow_until_they_differ() -> None:
    alike = ["0xabcd1" + "0" * 35, "0xabcd2" + "0" * 35]
    assert line_names(alike) == dict(zip(alike, ["0xabcd1", "0xabcd2"], strict=True))
    assert list(line_names(["0xab" * 10]).values()) == ["0xab0x"]


def test_numbers_are_written_for_people() -> None:
    assert number_text(-1234.5, 1) == "\u22121,234.5"
    assert number_text(-0.00001, 2, signed=True) == "0.00"
    assert number_text(0.5, 1, signed=True) == "+0.5"
    assert Quantity("MB", 1e6, 2).text(6_574_772, with_unit=True) == "6.57\u00a0MB"
    assert byte_quantity([None, 999.0]).unit == "bytes"
    assert [duration_text(seconds).replace("\u00a0", " ") for seconds in (9.84, 107.0, 59.99, 7500.0)] == [
        "9.8 s",
        "1 min 47 s",
        "1 min 0 s",
        "2 h 5 min",
    ]
    assert short_account("0x10391E54724eBEE3F4f97F3ad3d96a55395A2171") == "0x1039…2171"
    assert [finite(value) for value in ("12", 3, True, None, math.inf, "x", [1])] == [12.0, 3.0, *[None] * 5]


def test_html_is_escaped_once() -> None:
    assert element("p", "a < b", Html("<br/>"), title='"') == '<p title="&quot;">a &lt; b<br/></p>'
    assert escaped(escaped("<")) == "&lt;"


# --- colours


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("colours", "scheme"), [(LINES_LIGHT, "light"), (LINES_DARK, "dark")])
def test_names_of_lines_can_be_read(colours: tuple[str, ...], scheme: str) -> None:
    assert len(set(colours)) == len(MARKS)
    assert min(contrast(colour, CARDS[scheme]) for colour in colours) >= 4.5


def test_text_can_be_read() -> None:
    schemes = re.findall(r":root\{color-scheme:[^}]+|:root\{--page:#[0-9a-f]{6}[^}]+", STYLE)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{6})\b", scheme.replace("#fff;", "#ffffff;")))
        for ink, paper in [
            *((ink, paper) for ink in ("ink", "soft", "accent") for paper in ("card", "page")),
            *((name, f"{name}-back") for name in ("good", "bad", "warn")),
            ("good", "card"),
            ("bad", "card"),
        ]:
            assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
