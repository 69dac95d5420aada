"""Gates look at an update itself and can only lower what its score earned, with a reason.

Scores see what helps or harms the ranking of public volunteers. They do not see idleness, copies, or a push of a single
item, so those are looked for here: in the update, beside the others, what was sent before and what is public. A gate
leaves a share of a client's reputation of the round; most leave nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from common.models import Arrays
from common.models.row_claims import RowClaims
from server.reputation import WAD
from server.row_caps import RowCaps
from server.row_sketch import Sketch
from server.selection import Assignment

ZERO_UPDATE = "the update is zero"
SAME_BYTES = "the same bytes as another client's update"
NEAR_COPY = "nearly the same rows as another client's update"
LATE_COPY = "nearly the same rows as another client's update of the round before"
LAST_AGGREGATE = "nearly the rows that the round before came to"
AGAINST_AGGREGATE = "its rows point away from those that the round before came to"
FAINT = "its rows are much shorter than its interactions would make them"
OVERLONG = "a row is longer than so many users can make it"
CONTRADICTED = "it says of items that more of its users have them than public histories allow"

REASONS = frozenset(
    {ZERO_UPDATE, SAME_BYTES, NEAR_COPY, LATE_COPY, LAST_AGGREGATE, AGAINST_AGGREGATE, FAINT, OVERLONG, CONTRADICTED}
)
"""Those that follow from updates; who owes scores has another."""

COPY_SHARE = 0.05
"""Of the usual distance 1 - cosine between two updates: below it they are one update. Honest pairs measured at least
.1 of it, on partitions by taste and evenly drawn ones."""
LEAST_AGREEMENT = 0.15
"""Of the usual cosine to the last aggregate: below it an update works against it. Honest ones measured at least .29."""
USUAL_AGREEMENT = 0.1
"""The least usual cosine to the last aggregate from which anything follows: below, rounds have little in common."""
FAINT_SHARE = 0.2
"""Of the usual length per interaction: below it an update hardly says anything. Honest ones measured at least .57."""
LONGEST_ROW = 1.0
"""Times the bound of a row's length, which has a slack of its own; honest rows measured at most .87, with 27
volunteers; .75 by taste and with 150; .48 with 600."""
EXCESS_ALLOWED, EXCESS_REFUSED = 0.2, 0.6
"""Claims against public knowledge, for each of a client's users: up to the first nothing is lost, from the second on
everything. Honest clients measured at most .12."""
LEAST_OTHERS = 4
"""Updates from which there is a usual distance."""


@dataclass(frozen=True)
class Lowered:
    """What a gate leaves, in [0, WAD), and why."""

    gate_wad: int
    reason: str


def closed_gates(updates: Mapping[str, Arrays], contents: Mapping[str, bytes]) -> dict[str, Lowered]:
    """Close the gates of two kinds of updates, whatever the model.

    An update of zeros, whose sender did nothing, and updates with the same bytes as another's, which two owners of
    different data cannot both have made.

    Args:
        updates: The decoded arrays by account.
        contents: The bytes of the same updates.
    """
    owners = Counter(contents.values())
    lowered: dict[str, Lowered] = {}
    for account, arrays in updates.items():
        if not any(np.any(array) for array in arrays.values() if array.dtype.kind == "f"):
            lowered[account] = Lowered(0, ZERO_UPDATE)
        elif owners[contents[account]] > 1:
            lowered[account] = Lowered(0, SAME_BYTES)
    return lowered


def claim_gates(caps: RowCaps, *, rows_are_carried: bool) -> dict[str, Lowered]:
    """Lower the gates of clients whose claims public histories contradict, by how much they do.

    Args:
        caps: Of the round.
        rows_are_carried: Whether a row may hold what several rounds left unsent: then a long one is cut and proves
            nothing.
    """
    lowered = {}
    for account, excess in caps.excess.items():
        if caps.overlong[account] > LONGEST_ROW and not rows_are_carried:
            lowered[account] = Lowered(0, OVERLONG)
        elif excess > EXCESS_ALLOWED:
            left = (EXCESS_REFUSED - excess) / (EXCESS_REFUSED - EXCESS_ALLOWED)
            lowered[account] = Lowered(int(max(0.0, left) * WAD), CONTRADICTED)
    return lowered


def faint_gates(claims: Mapping[str, tuple[RowClaims, ...]]) -> dict[str, Lowered]:
    """Close the gates of updates that are short for the interactions that they speak of."""
    if len(claims) < LEAST_OTHERS:
        return {}
    loudness = {
        account: min(_length(one) / max(1.0, float(one.counts.sum())) for one in branches)
        for account, branches in claims.items()
    }
    usual = float(np.median(list(loudness.values())))
    return {account: Lowered(0, FAINT) for account, each in loudness.items() if each < FAINT_SHARE * usual}


def copy_gates(
    sketches: Mapping[str, Sketch], last: Mapping[str, Sketch], last_aggregate: Sketch | None
) -> dict[str, Lowered]:
    """Close the gates of updates that somebody has made already, or that undo what everybody made.

    Args:
        sketches: Of this round's updates, by account.
        last: Of the round before, by the same buckets; empty in the first round.
        last_aggregate: Of their weighted sum.
    """
    accounts = list(sketches)
    if len(accounts) < LEAST_OTHERS:
        return {}
    stacked = np.stack([sketches[account] for account in accounts])
    apart = 1 - stacked @ stacked.T
    np.fill_diagonal(apart, np.inf)
    usual = float(np.median(apart[np.isfinite(apart)]))
    late = _apart_from_others(accounts, stacked, last)
    lowered = {account: Lowered(0, LATE_COPY) for account, each in late.items() if each < COPY_SHARE * usual}
    # late in a run a client's updates are alike, and whoever is copied would be taken for the copy of its copy
    own = np.array([account not in lowered for account in accounts])
    nearest = apart[:, own].min(axis=1, initial=np.inf)
    for account, each in zip(accounts, nearest.tolist(), strict=True):
        if each < COPY_SHARE * usual:
            lowered.setdefault(account, Lowered(0, NEAR_COPY))
    if last_aggregate is None or len(last_aggregate) != stacked.shape[1]:
        return lowered
    agreement = stacked @ last_aggregate
    usual_agreement = float(np.median(agreement))
    for account, cosine in zip(accounts, agreement.tolist(), strict=True):
        if 1 - cosine < COPY_SHARE * usual:
            lowered.setdefault(account, Lowered(0, LAST_AGGREGATE))
        elif usual_agreement >= USUAL_AGREEMENT and cosine < LEAST_AGREEMENT * usual_agreement:
            lowered.setdefault(account, Lowered(0, AGAINST_AGGREGATE))
    return lowered


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


def gates_of(accounts: Iterable[str], lowered: Mapping[str, Lowered], owing: Collection[str]) -> dict[str, int]:
    """Return each account's gate: 0 for who owes scores, else what is left, else WAD."""
    return {
        account: 0 if account in owing else lowered[account].gate_wad if account in lowered else WAD
        for account in accounts
    }


def _length(claims: RowClaims) -> float:
    lengths = claims.lengths
    return float(np.sqrt(np.dot(lengths, lengths)))


def _apart_from_others(accounts: list[str], stacked: Sketch, last: Mapping[str, Sketch]) -> dict[str, float]:
    """Return each update's distance to the nearest one that *another* client sent in the round before."""
    theirs = [account for account, sketch in last.items() if len(sketch) == stacked.shape[1]]
    if not theirs:
        return {}
    apart = 1 - stacked @ np.stack([last[account] for account in theirs]).T
    places = {account: at for at, account in enumerate(theirs)}
    for row, account in zip(apart, accounts, strict=True):
        if account in places:
            row[places[account]] = np.inf
    return dict(zip(accounts, apart.min(axis=1).tolist(), strict=True))
