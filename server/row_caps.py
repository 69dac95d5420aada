"""Row caps: no item gets more from all clients together than the public sample lets it have.

Two limits. *Counts*: clients may say that so many of their users have an item; where these add up to more than
`PublicReference.upper_share` of all users, the largest shares are cut to one level, the highest at which they fit. Who
claims as little as others loses nothing. *Lengths*: a row's sum may be as long as that of so many users can be, by
what the volunteers' own sums are like in the model that was sent.

What is cut from a client is what it claimed against public knowledge; `server/gates.py` judges it by that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, Model
from common.models.row_claims import RowClaims, RowCut
from server.public_reference import PublicReference

MOST_USERS_PER_INTERACTION = 5.0
"""How many times fewer interactions than a volunteer a client's users may have; beyond, its users are not believed."""
LENGTH_SLACK = 2.0
"""Factor on the bound of lengths: a client's users are not quite like the volunteers."""
FEW_VOLUNTEERS = 25.0
"""Over their number: by how much the bound is wider, for few say less surely what lengths there are."""
RATING_SLACK = 2.0
"""Further factor where ratings are predicted, whose errors have two signs and longer tails. Honest rows measured at
most 1.73 without it, in six rounds on the bundled data, evenly and by taste, and on FilmTrust, seeds 1 to 3."""
_QUANTILE = 0.99  # of the volunteers' rows
_MANY = 20.0  # claims from which a row's sum is about as long as their number says
_FEW = 3.0  # claims up to which it is about as long as the square root of their number says


@dataclass(frozen=True, eq=False)
class RowCaps:
    """What was cut from whom.

    Attributes:
        cuts: Account -> what is left, for each of its update's claims.
        excess: Account -> claims that were cut, in users' interactions per user: 1 where it said of all of its users
            that they have an item, and nothing of it was believed.
        overlong: Account -> how many times longer than its bound its longest row was, 0 where it sent none.
        items: Whose counts were cut.
    """

    cuts: Mapping[str, tuple[RowCut, ...]]
    excess: Mapping[str, float]
    overlong: Mapping[str, float]
    items: tuple[int, ...]

    def limited(self, model: Model, updates: Mapping[str, Arrays]) -> dict[str, Arrays]:
        """Return the updates as they are fused."""
        return {account: model.cut(update, self.cuts[account]) for account, update in updates.items()}


def row_caps(
    model: Model, claims: Mapping[str, tuple[RowClaims, ...]], state: Arrays, reference: PublicReference
) -> RowCaps:
    """Compare what all clients claim with what is public.

    Args:
        model: At the phase of `state`.
        claims: Of every update of the round, by account.
        state: The model that was sent.
        reference: The public sample.
    """
    accounts = list(claims)
    own = model.claims(model.local_step(state, reference.histories)[0])
    cuts: dict[str, list[RowCut]] = {account: [] for account in accounts}
    excess, overlong = dict.fromkeys(accounts, 0.0), dict.fromkeys(accounts, 0.0)
    capped: set[int] = set()
    for branch, public in enumerate(own):
        said = [claims[account][branch] for account in accounts]
        believed, over = believed_counts(said, reference)
        capped.update(over)
        bound = LengthBound(public, len(reference.counts), 1.0 if model.rating_range is None else RATING_SLACK)
        for account, one, left in zip(accounts, said, believed, strict=True):
            longest, factors = bound.lengths(one, left), np.ones(len(left))
            lengths = one.lengths
            np.divide(longest, lengths, out=factors, where=lengths > longest)
            counts = np.divide(left, one.counts, out=np.ones(len(left)), where=one.counts > 0)
            cuts[account].append(RowCut(counts, np.minimum(counts, factors)))
            excess[account] = max(
                excess[account], float((one.counts - left).sum()) / max(1.0, believed_users(one, reference))
            )
            unshortened = bound.lengths(one, one.counts)
            ratios = np.divide(lengths, unshortened, out=np.zeros(len(left)), where=unshortened > 0)
            overlong[account] = max(overlong[account], float(ratios.max(initial=0.0)))
    return RowCaps({account: tuple(cuts[account]) for account in accounts}, excess, overlong, tuple(sorted(capped)))


def believed_users(claims: RowClaims, reference: PublicReference) -> float:
    """Return how many users a client is believed to have: what it says, or what its interactions are enough for."""
    enough = MOST_USERS_PER_INTERACTION * float(claims.counts.sum()) / max(reference.mean_history, 1e-9)
    return min(float(claims.users), enough)


def believed_counts(
    said: Sequence[RowClaims], reference: PublicReference
) -> tuple[list[NDArray[np.float64]], list[int]]:
    """Return what is left of each client's counts, and the items whose counts were cut.

    Guarantees:
        Afterwards no item has more than its upper share of all users, and nobody more than it said.
        Who said a smaller share than another keeps at least as large a share of what it said.
        The order of clients changes nothing.
    """
    users = np.array([believed_users(one, reference) for one in said])
    totals = np.zeros(len(reference.counts))
    for one in said:
        totals[one.row_ids] += one.counts
    most = reference.upper_share * users.sum()
    over = np.flatnonzero(totals > most)
    left = [one.counts.copy() for one in said]
    places = [np.searchsorted(one.row_ids, over) for one in said]
    shares = np.zeros((len(said), len(over)))
    for row, one, place in zip(shares, said, places, strict=True):
        here = _is_at(one.row_ids, place, over)
        row[here] = one.counts[place[here]]
    shares /= np.maximum(users, 1e-9)[:, None]
    levels = np.array([water_level(shares[:, at], users, most[item]) for at, item in enumerate(over.tolist())])
    for counts, one, place, own_users in zip(left, said, places, users, strict=True):
        here = _is_at(one.row_ids, place, over)
        counts[place[here]] = np.minimum(counts[place[here]], levels[here] * own_users)
    return left, over.tolist()


def water_level(shares: NDArray[np.float64], users: NDArray[np.float64], most: float) -> float:
    """Return the level L at which sum_k(users_k min(share_k, L)) = most; it is below the sum without a level."""
    order = np.argsort(shares, kind="stable")
    ascending, weights = shares[order], users[order]
    below = np.concatenate(([0.0], np.cumsum(ascending * weights)[:-1]))  # of those that a level would leave alone
    above = np.cumsum(weights[::-1])[::-1]
    fits = np.flatnonzero(below + ascending * above >= most)
    at = int(fits[0]) if len(fits) else len(order) - 1
    return float((most - below[at]) / max(above[at], 1e-9))


def _is_at(row_ids: NDArray[np.intp], place: NDArray[np.intp], items: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tell which of `items` a client touches, `place` being where they would stand."""
    inside = place < len(row_ids)
    found = np.zeros(len(items), dtype=bool)
    found[inside] = row_ids[place[inside]] == items[inside]
    return found


class LengthBound:
    """How long a row's sum can be: as many users' vectors that point the same way, or as one user's, whichever is more.

    The sum of n users' vectors grows like n as far as these agree, and like the square root of n as far as they do not.
    Both rates are read off the volunteers' rows: of the popular ones, and of those that few have.
    """

    def __init__(self, public: RowClaims, item_count: int, factor: float = 1.0) -> None:
        self._users = max(1, public.users)
        self._slack = factor * LENGTH_SLACK * (1 + FEW_VOLUNTEERS / self._users)
        self._expected = np.zeros(item_count)
        self._expected[public.row_ids] = public.expected
        mass = public.counts + public.expected
        lengths = public.lengths
        self._along = _quantile(lengths / np.maximum(mass, 1e-9), mass >= min(_MANY, float(mass.max(initial=0.0))))
        self._across = _quantile(lengths / np.sqrt(np.maximum(mass, 1e-9)), (mass > 0.5) & (mass <= _FEW))

    def lengths(self, claims: RowClaims, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the bound for each row of a client, were its counts these. Shape (touched,)."""
        mass = counts + claims.users / self._users * self._expected[claims.row_ids]
        bound: NDArray[np.float64] = self._slack * (self._along * mass + self._across * np.sqrt(mass))
        return bound


def _quantile(values: NDArray[np.float64], among: NDArray[np.bool_]) -> float:
    chosen = values[among] if among.any() else values
    return float(np.quantile(chosen, _QUANTILE)) if len(chosen) else 0.0
