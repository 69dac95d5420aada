"""What the run states in words: updates left out, privacy, and the ledger's record."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.report_page.costs import gas_figure
from server.report_page.line_plot import Line, LinePlot
from server.report_page.markup import Html, element, foreign, joined
from server.report_page.quantities import MINUS, MISSING, Quantity, count_text, finite, short_account
from server.report_page.series import Rows, rejections, round_numbers, row_values
from server.report_page.tables import figure, table

_MOST_ROWS = 12
_MODES = {
    "visible": "Visible: the coordinator and the peers that score an update see it by itself.",
    "sealed": "Sealed: updates are added up under masks, and nobody sees one by itself.",
}
# key of the report, who it holds against
_AUDIENCES = (
    ("epsilon_aggregate", "Against those who see the models only"),
    ("epsilon_committee", "Against the coordinator and the committee, who see single updates"),
)
_OWN_PRIVACY_KEYS = {"mode", "unit", "adjacency", "delta", "reason", *(key for key, _ in _AUDIENCES)}
_WITNESSES = {
    "memory": (
        "In memory, gone with the process",
        "This ledger lived in the coordinator's memory. It is no independent witness: nobody else can have seen it.",
    ),
    "embedded": (
        "The embedded chain",
        "This chain ran inside the run itself, on the coordinator's machine. It is no independent witness: whoever "
        "holds the run folder can write it anew.",
    ),
    "anvil": (
        "Anvil, a development chain",
        "This chain was started for the run on the coordinator's machine. It is no independent witness: whoever "
        "holds the run folder can write it anew.",
    ),
    "external": ("A chain given by its URL", ""),
}


def left_out_section(rows: Rows) -> Html:
    """Return every update that did not count, with its reason."""
    left_out = rejections(rows)
    if not left_out:
        said = "None: every update that arrived was accepted." if rows else "None so far: no round has been settled."
        return element("p", said, class_="none")

    def of(name: str, some: Sequence[tuple[int, str, str]]) -> Html:
        return table(
            name,
            ["Round", "Client", "Reason"],
            (
                [str(number), element("code", foreign(short_account(account)), title=account), foreign(reason)]
                for number, account, reason in some
            ),
            class_="reasons",
        )

    return element(
        "div",
        of("Updates left out", left_out[:_MOST_ROWS]),
        element(
            "details",
            element("summary", f"{count_text(len(left_out) - _MOST_ROWS, 'more', 'more')}"),
            of("More updates left out", left_out[_MOST_ROWS:]),
        )
        if len(left_out) > _MOST_ROWS
        else "",
        class_="card",
    )


def privacy_section(privacy: Mapping[str, Any], rows: Rows) -> Html:
    """Return the statement of what the noise buys, in words, and its terms one by one."""
    terms = [
        ("Unit protected", privacy.get("unit")),
        ("Neighbouring data sets", privacy.get("adjacency")),
        *((f"ε, {audience[0].lower()}{audience[1:]}", privacy.get(key)) for key, audience in _AUDIENCES),
        ("δ", privacy.get("delta")),
        *((key.replace("_", " "), value) for key, value in privacy.items() if key not in _OWN_PRIVACY_KEYS),
    ]
    stated = [(name, _term(value)) for name, value in terms if value is not None]
    mode = privacy.get("mode")
    spent = row_values(rows, "epsilon_aggregate")
    plot = LinePlot(
        "epsilon",
        "Privacy loss so far",
        Quantity("ε", decimals=3),
        round_numbers(rows),
        [Line("ε", spent, 1, "ε")],
        includes=(0.0,),
    )
    return joined(
        element(
            "div",
            (element("p", sentence, class_="statement") for sentence in _privacy_sentences(privacy)),
            element("p", _MODES.get(str(mode), joined("How updates travel: ", _term(mode), "."))),
            _terms(stated) if stated else "",
            class_="card",
        ),
        "" if plot.empty else figure(plot, "Against those who see the models only, added up over the rounds."),
    )


def _privacy_sentences(privacy: Mapping[str, Any]) -> list[Html]:
    """Say what each epsilon bounds, or that there is none and why."""
    claimed = {key: finite(privacy.get(key)) for key, _ in _AUDIENCES}
    reason = privacy.get("reason")
    why = foreign(str(reason).rstrip("."), most=2000) if reason else "the report gives no reason"
    if all(epsilon is None for epsilon in claimed.values()):
        return [joined("No epsilon is claimed: ", why, ".")]
    return [
        joined(f"{audience}, no epsilon is claimed: ", why, ".")
        if (epsilon := claimed[key]) is None
        else joined(f"{audience}: ", _bound(epsilon, privacy))
        for key, audience in _AUDIENCES
    ]


def _bound(epsilon: float, privacy: Mapping[str, Any]) -> Html:
    # more than e^20 is written as what it is: no protection to speak of
    factor = f"at most {math.exp(epsilon):,.2f}" if epsilon <= 20 else "e^ε, which is too large to protect anybody"
    return joined(
        "ε = ",
        Quantity().text(epsilon).rstrip("0").rstrip("."),
        " at δ = ",
        _term(privacy.get("delta")),
        ", for one ",
        _term(privacy.get("unit")),
        " (neighbouring data sets: ",
        _term(privacy.get("adjacency")),
        ").",
        element(
            "small",
            f" Between two neighbouring data sets, the odds of anything they see differ by a factor of {factor}, "
            "but for a chance of δ.",
        ),
    )


def ledger_section(ledger: Mapping[str, Any], rows: Rows) -> Html:
    """Return where the run is recorded, how far that can be trusted, and what it cost in gas."""
    kind = str(ledger.get("kind"))
    name, warning = _WITNESSES.get(kind, (kind, ""))
    verified = ledger.get("verified")
    if verified is None:
        checked, look = "Not compared yet: that happens when the run ends.", "quiet"
    elif verified:
        checked, look = "✓ Read back at the end: every round's evidence is the one recorded.", "good"
    else:
        checked, look = (
            "✗ Read back at the end: the ledger does not show this run's evidence. Do not rely on it.",
            "bad",
        )
    terms = [
        ("Ledger", foreign(name)),
        ("Chain id", _term(ledger.get("chain_id"))),
        ("Contract", _code(ledger.get("address"))),
        ("Run id", _code(ledger.get("run_id"))),
        ("Rounds settled", _term(ledger.get("settled_rounds"))),
    ]
    return element(
        "div",
        element(
            "div",
            element("h3", "Record"),
            _terms(terms),
            element("p", checked, class_=look),
            element("p", element("strong", "Mind: "), warning, class_="warning") if warning else "",
            class_="card",
        ),
        gas_figure(rows),
        class_="pair",
    )


def _terms(terms: Sequence[tuple[str, Html]]) -> Html:
    return element(
        "dl", (element("div", element("dt", name), element("dd", said)) for name, said in terms), class_="terms"
    )


def _term(value: Any) -> Html:
    if value is None:
        return Html(MISSING)
    if isinstance(value, float):
        return Html(re.sub(r"e([+-])0*", r"e\1", f"{value:.6g}").replace("-", MINUS))
    return foreign(str(value))


def _code(value: Any) -> Html:
    return Html(MISSING) if value is None else element("code", foreign(str(value)))
