"""What each client brought and got."""

from collections.abc import Mapping, Sequence

from server.report_page.client_table import GAIN, SHARE, TOKENS, client_table
from server.report_page.line_plot import Band, Line, LinePlot
from server.report_page.marks import MARKS
from server.report_page.markup import Html, element, joined
from server.report_page.quantities import Quantity, range_text, short_account
from server.report_page.series import (
    Rows,
    Values,
    all_accounts,
    client_values,
    earned_tokens,
    last_value,
    reputations,
    round_numbers,
    spread_of,
)
from server.report_page.tables import figure


def participants_section(rows: Rows) -> Html:
    """Return gain, reputation, weight and reward of each client as plots, and a table of clients."""
    accounts = all_accounts(rows)
    if not accounts:
        return element("p", "No client has taken part in a settled round yet.")
    gains, trusted = client_values(rows, "gain"), reputations(rows)
    weights, earned = client_values(rows, "weight"), earned_tokens(rows)
    counted = sum(values[-1] is not None for values in weights.values())
    equal = f"Equal shares would be {1 / counted:.3f} each." if counted else ""
    return joined(
        element(
            "p",
            "Peers score every update on public histories: how much better would the model become if this update "
            "alone were applied? Their scores together, by median or trimmed mean, are its gain. Gains become "
            "reputations, which decide the rewards and, unless plain averaging was chosen, how much an update counts.",
            class_="lead",
        ),
        element(
            "div",
            figure(
                _plot("gain", "Gain of each update", GAIN, rows, gains, accounts, includes=(0.0,)),
                _latest("Gains", GAIN, rows, gains),
                "How much the update alone improves the model of its round; below zero it makes it worse.",
            ),
            figure(
                _plot("reputation", "Reputation", SHARE, rows, trusted, accounts, includes=(0.0, 1.0)),
                _latest("Reputations", SHARE, rows, trusted),
                "From 0 to 1; earned over the rounds, starting from 0.",
            ),
            figure(
                _plot("weight", "Weight in the model", SHARE, rows, weights, accounts, includes=(0.0,)),
                f"{_latest('Weights', SHARE, rows, weights)} {equal}",
                "The share of the round's model that is this client's update.",
            ),
            figure(
                _plot("reward", "Earned so far", TOKENS, rows, earned, accounts, includes=(0.0,)),
                _latest("Earned", TOKENS, rows, earned),
                "Rewards added up over the rounds of this run, in tokens.",
            ),
            class_="pair",
        ),
        client_table(rows, accounts),
    )


def total_earned(rows: Rows) -> float:
    """Return the tokens of all clients and rounds."""
    return sum(last_value(values) or 0.0 for values in earned_tokens(rows).values())


def _plot(
    key: str,
    title: str,
    quantity: Quantity,
    rows: Rows,
    by_client: Mapping[str, Values],
    accounts: Sequence[str],
    includes: Sequence[float],
) -> LinePlot:
    """Draw each client's line where there are few, and how they spread where there are many."""
    rounds = round_numbers(rows)
    if len(accounts) <= len(MARKS):
        names = line_names(accounts)
        lines = [
            Line(names[account], values, 1 + accounts.index(account), short_account(account))
            for account, values in by_client.items()
        ]
        return LinePlot(key, title, quantity, rounds, lines, includes=includes)
    spread = spread_of(by_client)
    return LinePlot(
        key,
        title,
        quantity,
        rounds,
        [
            Line("greatest", spread.greatest, 0, "Greatest", notes=_whose(spread.greatest_account)),
            Line("median", spread.median, 1, "Median"),
            Line("least", spread.least, 0, "Least", notes=_whose(spread.least_account)),
        ],
        [Band(spread.least, spread.greatest), Band(spread.lower, spread.upper, "Middle half")],
        includes,
    )


def _whose(accounts: Sequence[str]) -> list[str]:
    return [f"({short_account(account)})" if account else "" for account in accounts]


def line_names(accounts: Sequence[str]) -> dict[str, str]:
    """Return for each account its first characters: six, or as many as it takes to tell all of them apart."""
    length = next((size for size in range(6, 43) if len({one[:size] for one in accounts}) == len(accounts)), 42)
    return {account: account[:length] for account in accounts}


def _latest(what: str, quantity: Quantity, rows: Rows, by_client: Mapping[str, Values]) -> str:
    values = [one[-1] for one in by_client.values()]
    if all(value is None for value in values):
        return f"{what} of the last round are not known."
    median = spread_of(by_client).median[-1]
    unit = f" {quantity.unit}" if quantity.unit and not quantity.signed else ""
    return (
        f"{what} after round {round_numbers(rows)[-1]}: {range_text(quantity, values)}{unit}, "
        f"median {quantity.text(median)}."
    )
