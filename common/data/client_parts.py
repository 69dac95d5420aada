"""Cutting a split into the clients' parts: the launcher's side of `client_part.py`."""

import numpy as np
from numpy.typing import NDArray

from common.data.client_part import ClientPart
from common.data.dataset import Dataset
from common.data.splits import Split
from common.data.user_items import UserItems


def cut_client_part(dataset: Dataset, split: Split, train: UserItems, users: NDArray[np.int32]) -> ClientPart:
    """Return what the client of these users may read.

    Args:
        dataset: For the ids of the users.
        split: The split of the data set.
        train: `split.train` without the probe pairs, as `draw_probe_pool` returns it.
        users: The client's users, by index in the data set. Shape (users of the client,).
    """
    return ClientPart(
        user_ids=tuple(dataset.user_ids[user] for user in users),
        train=train.take(users),
        seen=split.train.take(users),
        validation=split.validation[users],
        test=split.test[users],
        candidates=split.candidates[users],
        validation_ratings=split.validation_ratings[users],
        test_ratings=split.test_ratings[users],
    )
