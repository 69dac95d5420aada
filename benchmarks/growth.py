"""How fast something grows, and how fast it may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median


@dataclass(frozen=True)
class Allowance:
    """What one figure may gain in a round.

    Attributes:
        per_round: In bytes or pieces.
        why: What makes it grow, or why a little is not a leak.
    """

    per_round: float
    why: str


@dataclass(frozen=True)
class Growth:
    """How a figure went over the rounds after the warm-up."""

    name: str
    first: float
    last: float
    per_round: float
    allowance: Allowance

    @property
    def too_fast(self) -> bool:
        """Whether it gains more in a round than it may."""
        return self.per_round > self.allowance.per_round


def slope(values: Sequence[float]) -> float:
    """Return the gain from one value to the next by Theil and Sen: the median over all pairs.

    One spike, or one page that a memory allocator takes early or late, does not move it.
    """
    pairs = combinations(enumerate(values), 2)
    return median((later - earlier) / (j - i) for (i, earlier), (j, later) in pairs)


def gain(values: Sequence[float]) -> float:
    """Return the gain of a round from the first quarter's median to the last quarter's.

    What rises and falls again, as memory that is collected late, may have a slope and gain nothing. A leak has both.
    """
    quarter = max(1, len(values) // 4)
    return (median(values[-quarter:]) - median(values[:quarter])) / max(1, len(values) - quarter)


def growths(samples: Sequence[Mapping[str, float]], allowances: Mapping[str, Allowance], warm_up: int) -> list[Growth]:
    """Compare every figure with its allowance.

    Args:
        samples: One for each round, in order.
        allowances: By the names of all figures, or by their beginnings up to a colon.
        warm_up: Rounds at the beginning that are not looked at.

    Raises:
        KeyError: a figure has no allowance.
        ValueError: a figure is missing after a round, as when a process ended and came back.
    """
    looked_at = samples[warm_up:]
    names = sorted(set().union(*looked_at))
    found = []
    for name in names:
        if any(name not in sample for sample in looked_at):
            raise ValueError(f"{name} is not there after every round")
        values = [sample[name] for sample in looked_at]
        allowance = allowances.get(name) or allowances[name.split(":")[0]]
        found.append(Growth(name, values[0], values[-1], min(slope(values), gain(values)), allowance))
    return found
