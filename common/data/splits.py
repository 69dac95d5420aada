"""Leave one out: the last interaction of a user is the test item, the one before it the validation item."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.dataset import Dataset
from common.data.negatives import draw_candidates
from common.data.user_items import NO_ITEM, UserItems
from common.seeding import generator

LEAST_INTERACTIONS = 3


@dataclass(frozen=True, eq=False)
class Split:
    """What is trained on and what is held out. Row u of everything is user u of the data set.

    Fields:
        train: Without the held-out items.
        validation: int32, shape (users,), `NO_ITEM` where there is none.
        test: int32, shape (users,), `NO_ITEM` for users who are not evaluated.
        candidates: int32, shape (users, 99). What the test item, and the validation item, is ranked against.
        validation_ratings, test_ratings: float32, shape (users,), of the held-out items; NaN where there is none.
    """

    train: UserItems
    validation: NDArray[np.int32]
    test: NDArray[np.int32]
    candidates: NDArray[np.int32]
    validation_ratings: NDArray[np.float32]
    test_ratings: NDArray[np.float32]


def leave_one_out(dataset: Dataset, seed: int, train_on_validation: bool = False) -> Split:
    """Hold out each user's last item for testing and the last of the rest for validation.

    Last is by timestamp; equal timestamps are ordered at random, so that users without timestamps get random
    items; 0 (unknown) comes before every known one. Users with fewer than 3 interactions train and are not
    evaluated. A published split keeps its test items and candidates; validation follows the same rule.

    Args:
        dataset: The interactions, and perhaps a published split.
        seed: Orders the ties and draws the candidates. The same seed holds out the same items in both modes.
        train_on_validation: Leave the validation items in training, for the last run of a chosen setting.

    Raises:
        WrongUse: there are too few items for 99 candidates.
    """
    interactions = dataset.interactions
    everybody = np.arange(interactions.user_count)
    tie_breaks = generator(seed, "leave-one-out").permutation(interactions.items.size)
    enough = interactions.counts >= LEAST_INTERACTIONS
    official = dataset.official_split
    if official is None:
        test = _last_items(interactions, tie_breaks, enough)
        candidates = draw_candidates(interactions, enough, generator(seed, "candidates"))
    else:
        enough = enough & (official.test != NO_ITEM)
        test = np.where(enough, official.test, np.int32(NO_ITEM))
        candidates = np.where(enough[:, None], official.candidates, np.int32(NO_ITEM))
    not_tested = ~_is_pair(interactions, test)
    rest = interactions.without(everybody, test)
    validation = _last_items(rest, tie_breaks[not_tested], enough)
    train = rest
    if train_on_validation:
        validation = np.full_like(validation, NO_ITEM)
    else:
        train = rest.without(everybody, validation)
    ratings = (interactions.ratings_of(everybody, held_out) for held_out in (validation, test))
    return Split(train, validation, test, candidates, *ratings)


def _last_items(interactions: UserItems, tie_breaks: NDArray[np.int64], wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the last item of every wanted user, `NO_ITEM` for the others. Shape (users,)."""
    order = np.lexsort((tie_breaks, interactions.timestamps, interactions.users))
    last = np.full(interactions.user_count, NO_ITEM, dtype=np.int32)
    # rows keep their place in the order, so a row's last entry is just before the next row
    last[wanted] = interactions.items[order[interactions.indptr[1:][wanted] - 1]]
    return last


def _is_pair(interactions: UserItems, item_of_user: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark the interactions that are (u, item_of_user[u]). Shape (interactions,)."""
    held_out: NDArray[np.bool_] = interactions.items == np.repeat(item_of_user, interactions.counts)
    return held_out
