"""Rows of the report turned into one series for each client or key."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.report_page.quantities import finite, tokens

# One value for each round of the report; None where there is none.
Values = tuple[float | None, ...]
Rows = Sequence[Mapping[str, Any]]


def round_numbers(rows: Rows) -> tuple[int, ...]:
    """Return the rounds' numbers."""
    return tuple(int(row["round"]) for row in rows)


def row_values(rows: Rows, key: str) -> Values:
    """Return what the rows hold under a key; a row without it is a gap."""
    return tuple(finite(row.get(key)) for row in rows)


def client_values(rows: Rows, key: str) -> dict[str, Values]:
    """Return what the rows hold under a key for each client, accounts ascending; an absent client is a gap."""
    named = [_by_client(row, key) for row in rows]
    accounts = sorted({account for one in named for account in one}, key=str.lower)
    return {account: tuple(finite(one.get(account)) for one in named) for account in accounts}


def all_accounts(rows: Rows) -> tuple[str, ...]:
    """Return every account that the rows name, ascending: those judged and those turned away."""
    seen = {account for row in rows for key in ("reputation", "weight", "reward") for account in _by_client(row, key)}
    seen |= {account for _, account, _ in rejections(rows)}
    return tuple(sorted(seen, key=str.lower))


def reputations(rows: Rows) -> dict[str, Values]:
    """Return each client's reputation after each round; it stays while the client is away."""
    return {account: carried(values) for account, values in client_values(rows, "reputation").items()}


def earned_tokens(rows: Rows) -> dict[str, Values]:
    """Return what each client has earned up to each round."""
    return {
        account: running_total(tokens(wei) for wei in values)
        for account, values in client_values(rows, "reward").items()
    }


def rejections(rows: Rows) -> list[tuple[int, str, str]]:
    """Return (round, account, reason) for every update that was left out."""
    return [
        (int(row["round"]), str(one.get("account", "")), str(one.get("reason", "")))
        for row in rows
        for one in row.get("rejected") or ()
    ]


def rounds_taken(rows: Rows, account: str) -> tuple[int, int]:
    """Return in how many rounds an update of this client arrived and was in order, and how many asked it.

    A round that asks everybody has no list of those asked.
    """
    asking = [row for row in rows if row.get("asked") is None or account in row["asked"]]
    return sum(account in (row.get("took_part") or ()) for row in rows), len(asking)


def running_total(values: Iterable[float | None]) -> Values:
    """Return the sum so far; nothing is added where there is no value."""
    totals: list[float | None] = []
    total = 0.0
    for value in values:
        total += value or 0.0
        totals.append(total)
    return tuple(totals)


def carried(values: Iterable[float | None]) -> Values:
    """Return the values with gaps filled by what was there before."""
    held: float | None = None
    return tuple(held := value if value is not None else held for value in values)


def last_value(values: Iterable[float | None]) -> float | None:
    """Return the latest value that there is."""
    return next((value for value in reversed(tuple(values)) if value is not None), None)


@dataclass(frozen=True)
class Spread:
    """How the clients' values lie in each round.

    Attributes:
        least, lower, median, upper, greatest: The quartiles, interpolated linearly; a value a round.
        least_account, greatest_account: Whose the extremes are; "" where nobody has a value.
    """

    least: Values
    lower: Values
    median: Values
    upper: Values
    greatest: Values
    least_account: tuple[str, ...]
    greatest_account: tuple[str, ...]


def spread_of(by_client: Mapping[str, Values]) -> Spread:
    """Return the quartiles over the clients that have a value, round by round."""
    quartiles: list[tuple[float | None, ...]] = []
    extremes: list[tuple[str, str]] = []
    for values in zip(*by_client.values(), strict=True):
        held = sorted((value, account) for account, value in zip(by_client, values, strict=True) if value is not None)
        ordered = [value for value, _ in held]
        quartiles.append(tuple(quantile(ordered, share / 4) for share in range(5)) if held else (None,) * 5)
        extremes.append((held[0][1], held[-1][1]) if held else ("", ""))
    least, lower, median, upper, greatest = zip(*quartiles, strict=True) if quartiles else ((),) * 5
    return Spread(
        least, lower, median, upper, greatest, tuple(low for low, _ in extremes), tuple(high for _, high in extremes)
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the quantile of ascending values, linear between neighbours (numpy's default).

    Args:
        ordered: At least one value.
        share: In [0, 1]; 0.5 is the median.
    """
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _by_client(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    held = row.get(key)
    return held if isinstance(held, Mapping) else {}
