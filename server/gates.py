"""Gates look at an update itself and can only lower what its score earned: to zero, with a reason."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from common.models import Arrays
from server.reputation import WAD


def gate_updates(updates: Mapping[str, Arrays], contents: Mapping[str, bytes]) -> tuple[dict[str, int], dict[str, str]]:
    """Return every update's gate, WAD or 0, and the reasons of those that are closed.

    Two kinds are closed: an update of zeros, whose sender did nothing, and updates with the same bytes as another's,
    which two owners of different data cannot both have made.

    Args:
        updates: The decoded arrays by account.
        contents: The bytes of the same updates.
    """
    owners = Counter(contents.values())
    reasons: dict[str, str] = {}
    for account, arrays in updates.items():
        if not any(np.any(array) for array in arrays.values() if array.dtype.kind == "f"):
            reasons[account] = "the update is zero"
        elif owners[contents[account]] > 1:
            reasons[account] = "the same bytes as another client's update"
    return {account: 0 if account in reasons else WAD for account in updates}, reasons
