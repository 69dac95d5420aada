"""The table of clients: how each stands at the end."""

from collections.abc import Sequence

from server.report_page.marks import MARKS, mark
from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity, count_text, short_account
from server.report_page.series import (
    Rows,
    Values,
    client_values,
    earned_tokens,
    last_value,
    rejections,
    reputations,
    rounds_taken,
)
from server.report_page.tables import table

GAIN = Quantity("gain", signed=True)
SHARE = Quantity(decimals=3)
TOKENS = Quantity("TFR", decimals=2)
_MOST_ROWS = 24


def client_table(rows: Rows, accounts: Sequence[str]) -> Html:
    """Return the table of clients, those who earned most first; many of them fold away."""
    earned, trusted = earned_tokens(rows), reputations(rows)
    gains, weights = client_values(rows, "gain"), client_values(rows, "weight")
    left_out = [account for _, account, _ in rejections(rows)]
    ranked = sorted(accounts, key=lambda account: -(last_value(earned.get(account, ())) or 0.0))

    def cells(account: str) -> list[Html | str]:
        counted = sum(bool(weight) for weight in weights.get(account, ()))
        return [
            joined(
                mark(1 + accounts.index(account)) if len(accounts) <= len(MARKS) else "",
                element("code", short_account(account), title=account),
            ),
            GAIN.text(last_value(gains.get(account, ()))),
            SHARE.text(last_value(trusted.get(account, ()))),
            _course(trusted.get(account, ())),
            SHARE.text(last_value(weights.get(account, ()))),
            TOKENS.text(last_value(earned.get(account, ()))),
            _share_of_rounds(*rounds_taken(rows, account)),
            str(counted),
            str(left_out.count(account)),
        ]

    heads = [
        "Client",
        "Last gain",
        "Repu\u00adtation",
        "Its course",
        "Weight",
        "TFR earned",
        "Took part",
        "Rounds counted",
        "Left out",
    ]

    def of(name: str, some: Sequence[str]) -> Html:
        return table(name, heads, (cells(account) for account in some), class_="clients")

    if len(ranked) <= _MOST_ROWS:
        shown = of("Clients", ranked)
    else:
        folded = f"All {count_text(len(ranked), 'client', 'clients')}"
        shown = joined(
            element("h4", "The five that earned most"),
            of("The five that earned most", ranked[:5]),
            element("h4", "The five that earned least"),
            of("The five that earned least", ranked[-5:]),
            element("details", element("summary", folded), of(folded, ranked)),
        )
    return element(
        "div",
        element("h3", "Clients"),
        element(
            "p",
            "As each stood in the last round that counted it, those who earned most first. Took part: the "
            "rounds in which its update arrived, of those that asked it.",
            class_="quiet",
        ),
        shown,
        element(
            "details",
            element("summary", "Accounts in full"),
            element("ul", (element("li", element("code", account)) for account in ranked), class_="accounts"),
        ),
        class_="card",
    )


def _share_of_rounds(taken: int, asked: int) -> str:
    return f"{taken} of {asked} ({100 * taken / asked:.0f}\u00a0%)" if asked else "never asked"


def _course(values: Values) -> Html:
    """Draw a reputation's course, from 0 at the foot to 1, as small as a word."""
    steps = max(1, len(values) - 1)
    places = [(72 * place / steps, 18 - 16 * value) for place, value in enumerate(values) if value is not None]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) if len(places) > 1 else None
    x, y = places[-1] if places else (0.0, 18.0)
    return element(
        "svg",
        element("path", d="M0 18.5h72", class_="foot"),
        element("path", d=path) if path else "",
        element("circle", cx=x, cy=y, r=2) if places else "",
        viewBox="-3 -1 78 22",
        class_="course",
        aria_hidden="true",
    )
