"""Users' vectors under a sampled loss after a step that changed few rows: the draws, and most of each Hessian, stay.

The steps themselves are taken anew, since the least change of a row that a user's loss looks at moves all of them.
"""

from collections.abc import Callable

import numpy as np

from common.data.user_items import UserItems
from common.models.model import Arrays, FloatArray
from common.models.ncf_sampled import Batch, SampledNcf
from common.models.ncf_slots import Slots

LARGEST_SHARE = 0.5
"""Of the rows that changed: beyond, a Hessian is summed anew, because taking the old rows out costs as much."""


def sampled_refold(
    model: SampledNcf, state: Arrays, histories: UserItems
) -> tuple[FloatArray, Callable[[Arrays], FloatArray]]:
    """Return users' vectors in this state, and how to have those in another. See `common.models.refold`.

    A state with another seed or step draws other items, so that there everything is computed anew.
    """
    batch, steps = Batch(model, state, histories), model.ncf.user_steps
    features, penalties = batch.catalogue.at_zero()[1], batch.penalties()
    vectors = np.zeros((histories.user_count, features.shape[1]), dtype=np.float32)
    groups: list[tuple[slice, Slots, FloatArray]] = []
    for users, slots in batch.slots():
        groups.append((users, slots, slots.hessians(features)))
        vectors[users] = slots.fit(batch.catalogue, groups[-1][2], penalties[users], steps)

    def after(other: Arrays) -> FloatArray:
        if any(not np.array_equal(state[name], other[name]) for name in ("seed", "steps")):
            return model.fold_in(other, histories)
        catalogue = batch.catalogue_in(other)
        now = catalogue.at_zero()[1]
        moved = np.any(now != features, axis=1)
        changed = moved | (catalogue.item_bias != batch.catalogue.item_bias)
        changed |= not np.array_equal(state["network"], other["network"])
        found = vectors.copy()
        for users, slots, before in groups:
            if not changed[slots.at % len(changed)].any():
                continue
            if np.count_nonzero(moved) > LARGEST_SHARE * len(moved):
                hessians = slots.hessians(now)
            else:
                hessians = before + slots.hessians(now, moved) - slots.hessians(features, moved)
            found[users] = slots.fit(catalogue, hessians, penalties[users], steps)
        return found

    return vectors, after
