"""From values to places on a plot, and where an axis has its ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A straight line from [low, high] to [start, end].

    Attributes:
        low, high: Values; low < high.
        start, end: Where they are drawn, in units of the picture; start > end where up is more.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def nice_ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Return ticks at multiples of 1, 2, 2.5 or 5 times a power of ten that reach from below `low` to above `high`.

    Args:
        low, high: The values; low <= high. Values that are all but equal get room on both sides.
        most: About as many steps; a step more at either end is possible.

    Guarantees:
        At least two ticks, ascending and evenly spaced; the first is <= low and the last >= high.
    """
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * max(size, 1e-3):
        room = size / 2 if size > 1e-9 else 0.5
        low, high = low - room, high + room
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((one for one in (1.0, 2.0, 2.5, 5.0, 10.0) if one * power >= rough * (1 - 1e-9)), default=10.0)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    # n * step is not always the float nearest to the decimal that a reader expects (3 * 0.1); rounding makes it so
    digits = max(0, 2 - math.floor(math.log10(step)))
    return tuple(round(index * step, digits) for index in range(first, last + 1))


def tick_decimals(ticks: Sequence[float]) -> int:
    """Return how many digits after the point tell these evenly spaced ticks apart."""
    step = ticks[1] - ticks[0]
    for decimals in range(9):
        if abs(step - round(step, decimals)) < step * 1e-6:
            return decimals
    return 9


def round_ticks(first: int, last: int, most: int) -> tuple[int, ...]:
    """Return the rounds that are named under a plot: the first one, then multiples of a step.

    Args:
        first, last: Rounds; first <= last.
        most: At most about so many.
    """
    span = last - first + 1
    if span <= most:
        return tuple(range(first, last + 1))
    step = next(
        step * power
        for power in (10**exponent for exponent in range(12))
        for step in (2, 5, 10)
        if span <= most * step * power
    )
    # a multiple next to the first round would touch its name
    return (first, *(tick for tick in range(step, last + 1, step) if tick > first + step / 2))


def spread_apart(places: Sequence[float], gap: float, top: float, bottom: float) -> tuple[float, ...]:
    """Move labels apart so that none covers another, each as near its line as its neighbours allow.

    Args:
        places: Where the labels belong, in any order, growing downwards.
        gap: Least distance of two labels.
        top, bottom: The room; where it is too small for all, labels go on below it.

    Returns:
        Where they go, in the order given.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # groups of labels that touch: [number, mean of the wished-for place of the group's first label]
    groups: list[tuple[int, float]] = []
    for index in order:
        number, first = 1, places[index]
        while groups and groups[-1][1] + groups[-1][0] * gap > first:
            before, before_first = groups.pop()
            first = (before * before_first + number * (first - before * gap)) / (before + number)
            number += before
        groups.append((number, max(top, min(first, bottom - (number - 1) * gap))))
    put = [first + step * gap for number, first in groups for step in range(number)]
    below = bottom
    for rank in range(len(put) - 1, -1, -1):
        put[rank] = min(put[rank], below)
        below = put[rank] - gap
    above = top
    for rank in range(len(put)):
        put[rank] = max(put[rank], above)
        above = put[rank] + gap
    moved = dict(zip(order, put, strict=True))
    return tuple(moved[index] for index in range(len(places)))
