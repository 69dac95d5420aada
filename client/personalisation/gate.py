"""alpha_k: how much a client's users go by the global predictor, learnt on training items or by the clock.

T-FedRS (3.4) names both: "learned jointly with the model through gradient-based optimization or adjusted according to a
scheduling rule that increases reliance on global parameters as the federation converges". We differ in the first: one
number of one client needs no gradient. It is chosen from a grid, on the last training item of each user, which the
local predictor and the users' vectors are fitted without. Validation and test items are not looked at.

The global model was trained with those items, in earlier rounds, so it looks a little better than it is and alpha errs
towards it. And alpha leaves 1 only where that is better by `CERTAINTY` standard errors: of eleven values one is best
by chance too.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from client.personalisation.predictor import mixed, standardised
from common.data.user_items import NO_ITEM, UserItems
from common.evaluation import USERS_SCORED_TOGETHER, Scorer, catalogue_ranks
from common.models import Arrays, FloatArray

ALPHAS = tuple(step / 10 for step in range(10, -1, -1))
CERTAINTY = 2.0
LEAST_USERS = 5
"""With fewer users that have an item to hold out, alpha is 1."""
_LEAST_ITEMS = 3  # of a user who gives one


def scheduled_alpha(rounds_played: int) -> float:
    """Return t / (t + 1) for the model after t rounds: an untrained model counts nothing, and later ones ever more."""
    return rounds_played / (rounds_played + 1)


def hold_out(train: UserItems, rng: np.random.Generator) -> tuple[UserItems, NDArray[np.int32]]:
    """Take the last training item of each user who has three; equal times are ordered at random.

    Returns:
        The rest, and the item of each user, `NO_ITEM` where none was taken. Shape (users,).
    """
    order = np.lexsort((rng.permutation(train.items.size), train.timestamps, train.users))
    giving = train.counts >= _LEAST_ITEMS
    held_out = np.full(train.user_count, NO_ITEM, dtype=np.int32)
    held_out[giving] = train.items[order[train.indptr[1:][giving] - 1]]
    return train.without(np.arange(train.user_count), held_out), held_out


def learnt_alpha(
    of_global: tuple[Scorer, Arrays, FloatArray],
    of_local: tuple[Scorer, Arrays, FloatArray],
    rest: UserItems,
    held_out: NDArray[np.int32],
) -> float:
    """Choose alpha by how well the mixture finds the items held out.

    Args:
        of_global, of_local: Scorer, state, and users' vectors fitted to `rest`.
        rest, held_out: From `hold_out`.
    """
    users = np.flatnonzero(held_out != NO_ITEM)
    if len(users) < LEAST_USERS:
        return 1.0
    found = np.concatenate(list(_found(of_global, of_local, rest, held_out, users)), axis=1)
    gains = found - found[0]  # (alphas, users), over alpha 1
    means = gains.mean(axis=1)
    best = int(means.argmax())
    error = gains[best].std(ddof=1) / np.sqrt(len(users))
    return ALPHAS[best] if means[best] > CERTAINTY * error else 1.0


def _found(
    of_global: tuple[Scorer, Arrays, FloatArray],
    of_local: tuple[Scorer, Arrays, FloatArray],
    rest: UserItems,
    held_out: NDArray[np.int32],
    users: NDArray[np.intp],
) -> Iterator[NDArray[np.float64]]:
    """Yield 1 / log2(1 + rank) on the whole catalogue for some users after others. Shape (alphas, users).

    NDCG without a cutoff: with one item a user, a list of ten would leave most users without a say.
    """
    for start in range(0, len(users), USERS_SCORED_TOGETHER):
        group = users[start : start + USERS_SCORED_TOGETHER]
        both = [standardised(scorer.scores(state, vectors[group])) for scorer, state, vectors in (of_global, of_local)]
        known, own = rest.take(group), held_out[group]
        yield np.stack([1 / np.log2(1 + catalogue_ranks(mixed(alpha, *both), own, known)) for alpha in ALPHAS])
