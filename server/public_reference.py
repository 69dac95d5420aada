"""What is publicly known of the items: the volunteers of the probe pool are a sample of all users.

Whatever clients say of an item, and however many of them say it, a share of users that this sample contradicts is not
believed. That is what lets row caps withstand a colluding share of clients, without knowing who they are, and leaves
an honest minority alone: what it has beyond the others is in the sample too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.probe import ProbeShard, public_histories
from common.data.user_items import UserItems

CONFIDENCE = 3.0
"""Standard deviations by which an item's share of all users may lie above its share of the volunteers."""


@dataclass(frozen=True, eq=False)
class PublicReference:
    """The pool as one honest client whose data are known.

    Attributes:
        histories: Of the volunteers, without the held-out pairs.
        counts: Volunteers that have each item, held out or not. Float64, shape (items,).
        upper_share: Upper bound on each item's share of all users [Wilson (1927), the score interval]. Float64, shape
            (items,), above 0 even where no volunteer has the item.
        mean_history: Interactions of a volunteer, on average.
    """

    histories: UserItems
    counts: NDArray[np.float64]
    upper_share: NDArray[np.float64]
    mean_history: float

    @classmethod
    def of(cls, pool: Sequence[ProbeShard]) -> "PublicReference":
        """Count what the volunteers have. The pool has at least one shard."""
        histories = public_histories(pool)
        counts = np.bincount(histories.items, minlength=histories.item_count).astype(np.float64)
        for shard in pool:
            counts += np.bincount(shard.held_out_items, minlength=histories.item_count)
        users = histories.user_count
        return cls(histories, counts, upper_share(counts, users), float(counts.sum()) / users)


def upper_share(counts: NDArray[np.float64], users: int) -> NDArray[np.float64]:
    """Return the upper ends of Wilson's score intervals of `CONFIDENCE` standard deviations, for counts of `users`."""
    z2 = CONFIDENCE**2
    share = counts / users
    spread = CONFIDENCE * np.sqrt(share * (1 - share) / users + z2 / (4 * users**2))
    bound: NDArray[np.float64] = np.minimum(1.0, (share + z2 / (2 * users) + spread) / (1 + z2 / users))
    return bound
