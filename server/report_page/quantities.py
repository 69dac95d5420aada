"""Numbers as a reader wants them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MISSING = "\u2013"
NO_BREAK = "\u00a0"
MINUS = "\u2212"
_WEI_PER_TOKEN = 10**18
# Clients report their own metrics, and could report this; NaN is not below it either.
_SENSELESS = 1e60


@dataclass(frozen=True)
class Quantity:
    """How the values of one plot are written.

    Attributes:
        unit: Stands over the axis and in the head of the table, such as "MB"; "" for a pure number.
        divisor: Values are divided by this before they are written.
        decimals: Digits after the point, in tables.
        signed: Whether a plus is written.
    """

    unit: str = ""
    divisor: float = 1.0
    decimals: int = 4
    signed: bool = False

    def text(self, value: float | None, *, with_unit: bool = False) -> str:
        """Return a value as text, or a dash where there is none."""
        if value is None:
            return MISSING
        written = number_text(value / self.divisor, self.decimals, self.signed)
        return f"{written}{NO_BREAK}{self.unit}" if with_unit and self.unit else written


def number_text(value: float, decimals: int, signed: bool = False) -> str:
    """Write a number with thousands separated; -0.0 counts as 0, and minus is a real minus sign."""
    written = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    if not written.strip("+-0.,"):
        written = written.lstrip("+-")
    return written.replace("-", MINUS)


def finite(value: Any) -> float | None:
    """Return a number of the report, or None for whatever is not one, or not one that anything here can reach.

    Args:
        value: A number, or digits as text, as wei are written.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < _SENSELESS else None


def tokens(wei: Any) -> float | None:
    """Return wei as tokens."""
    number = finite(wei)
    return None if number is None else number / _WEI_PER_TOKEN


def byte_quantity(values: Iterable[float | None]) -> Quantity:
    """Return the unit in which the largest of these reads best."""
    largest = max((value for value in values if value is not None), default=0.0)
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if largest >= divisor:
            return Quantity(unit, divisor, decimals=2)
    return Quantity("bytes", decimals=0)


def time_quantity(values: Iterable[float | None]) -> Quantity:
    """Return the unit in which the largest of these seconds reads best."""
    largest = max((value for value in values if value is not None), default=0.0)
    for unit, divisor in (("hours", 3600.0), ("minutes", 60.0)):
        if largest >= 3 * divisor:
            return Quantity(unit, divisor, decimals=2)
    return Quantity("seconds", decimals=2)


def duration_text(seconds: float) -> str:
    """Write a duration: "9.8 s", "1 min 47 s", "2 h 5 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f}{NO_BREAK}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NO_BREAK}min {rest}{NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NO_BREAK}h {minutes}{NO_BREAK}min"


def count_text(count: int, one: str, many: str) -> str:
    """Write a count with its noun."""
    return f"{count:,}{NO_BREAK}{one if count == 1 else many}"


def range_text(quantity: Quantity, values: Iterable[float | None]) -> str:
    """Write what the least and the greatest of some values are; at least one is there."""
    held = [value for value in values if value is not None]
    low, high = quantity.text(min(held)), quantity.text(max(held))
    return low if low == high else f"{low} to {high}"


def short_account(account: str) -> str:
    """Return the two ends of an account, as wallets show it; what is no account stays what it is."""
    return f"{account[:6]}…{account[-4:]}" if len(account) == 42 and account.startswith("0x") else account
