"""Users that do not exist."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems


def users_with(histories: Sequence[NDArray[np.integer]], item_count: int) -> UserItems:
    """Return users with these items, in any order; ratings are 1 and times unknown."""
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    items = np.concatenate(histories)
    ones, unknown = np.ones(len(items), dtype=np.float32), np.zeros(len(items), dtype=np.int64)
    return UserItems.from_pairs(users, items, ones, unknown, user_count=len(histories), item_count=item_count)
