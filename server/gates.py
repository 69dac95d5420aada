"""Gates look at an update itself and can only lower what its score earned: to zero, with a reason."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from common.models import Arrays
from server.reputation import WAD
from server.selection import Assignment

ZERO_UPDATE = "the update is zero"
SAME_BYTES = "the same bytes as another client's update"


def closed_gates(updates: Mapping[str, Arrays], contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the accounts whose updates close their gate, with the reason.

    Two kinds do: an update of zeros, whose sender did nothing, and updates with the same bytes as another's, which two
    owners of different data cannot both have made.

    Args:
        updates: The decoded arrays by account.
        contents: The bytes of the same updates.
    """
    owners = Counter(contents.values())
    reasons: dict[str, str] = {}
    for account, arrays in updates.items():
        if not any(np.any(array) for array in arrays.values() if array.dtype.kind == "f"):
            reasons[account] = ZERO_UPDATE
        elif owners[contents[account]] > 1:
            reasons[account] = SAME_BYTES
    return reasons


def owed_scores(assignments: Iterable[Assignment], scored: Mapping[str, int]) -> dict[str, str]:
    """Return the accounts that did not score as they were asked to, with the reason.

    Scoring is work that the others depend on: who leaves it undone, or does it so that it is refused, loses the round.
    This follows from the public evidence alone.

    Args:
        assignments: Who was to score whom.
        scored: How many valid scores each evaluator gave.
    """
    asked = Counter(one.evaluator for one in assignments)
    return {
        account: f"as a peer it gave {scored.get(account, 0)} of the {count} scores that it was asked for"
        for account, count in asked.items()
        if scored.get(account, 0) < count
    }


def gates_of(accounts: Iterable[str], closed: Collection[str]) -> dict[str, int]:
    """Return each account's gate: 0 where it is closed, else WAD."""
    return {account: 0 if account in closed else WAD for account in accounts}
