"""Users' vectors once more, after a step that may have changed little: what did not change is not computed again.

Which way is taken follows from the rows that differ, so that it is the same wherever an update is scored.
"""

from collections.abc import Callable

import numpy as np

from common.data.user_items import UserItems
from common.models.model import Arrays, FloatArray, Model
from common.models.ncf_sampled import SampledNcf
from common.models.ncf_sampled_refold import sampled_refold
from common.models.side_by_side import SideBySide, part_of

Refold = Callable[[Arrays], FloatArray]
"""From another state of the same model to the vectors that `fold_in` gives there, up to rounding."""


def refold_of(model: Model, state: Arrays, histories: UserItems) -> tuple[FloatArray, Refold]:
    """Fold users in, and keep what their vectors in other states can be made of.

    A step of iALS or of the softmax moves every row, and all rows enter every user's vector: there is nothing to keep.
    One of matrix factorization moves few, but with mu the targets of all ratings. Keeping the inverse of every user's
    system and correcting it by the changed rows [Sherman-Morrison-Woodbury] takes longer than solving anew.

    Returns:
        The vectors in this state, shape (users, factors), and how to have those of another.
    """
    phase = model.at(state)
    if isinstance(phase, SampledNcf):
        return sampled_refold(phase, state, histories)
    if isinstance(phase, SideBySide):
        prefixes = [branch.prefix for branch in phase.branches]
        kept = [refold_of(branch.model, part_of(state, branch.prefix), histories) for branch in phase.branches]

        def all_branches(other: Arrays) -> FloatArray:
            parts = [refold(part_of(other, prefix)) for prefix, (_, refold) in zip(prefixes, kept, strict=True)]
            return np.concatenate(parts, axis=1)

        return np.concatenate([vectors for vectors, _ in kept], axis=1), all_branches
    return model.fold_in(state, histories), lambda other: model.fold_in(other, histories)
