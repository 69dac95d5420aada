"""How often users met each genre."""

import numpy as np
from numpy.typing import NDArray

from common.data.dataset import Dataset


def genre_counts(dataset: Dataset) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Count each user's interactions with items of each genre; an item of three genres counts for three.

    Returns:
        The genres, in alphabetical order, and the counts, shape (users, genres). No genres where the data set
        has none.
    """
    item_genres = dataset.genres or ()
    names = tuple(sorted({genre for genres in item_genres for genre in genres}))
    column = {name: index for index, name in enumerate(names)}
    has_genre = np.zeros((dataset.interactions.item_count, len(names)), dtype=np.bool_)
    for item, genres in enumerate(item_genres):
        has_genre[item, [column[genre] for genre in genres]] = True
    users, items = dataset.interactions.users, dataset.interactions.items
    counts = np.zeros((dataset.interactions.user_count, len(names)), dtype=np.int64)
    for genre in range(len(names)):
        counts[:, genre] = np.bincount(users[has_genre[items, genre]], minlength=counts.shape[0])
    return names, counts
