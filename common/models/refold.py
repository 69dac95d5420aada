"""Users' vectors once more, after a step that may have changed little: what did not change is not computed again.

Which way is taken follows from the rows that differ, so that it is the same wherever an update is scored.
"""

from collections.abc import Callable

import numpy as np

from common.data.user_items import UserItems
from common.models.fused import GMF, IALS, Fused, part_of
from common.models.model import Arrays, FloatArray, Model
from common.models.ncf_sampled import SampledNcf
from common.models.ncf_sampled_refold import sampled_refold

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
    if isinstance(phase, Fused):
        first = refold_of(phase.ials, part_of(state, IALS), histories)
        second = refold_of(phase.gmf, part_of(state, GMF), histories)

        def both(other: Arrays) -> FloatArray:
            parts = (first[1](part_of(other, IALS)), second[1](part_of(other, GMF)))
            return np.concatenate(parts, axis=1)

        return np.concatenate((first[0], second[0]), axis=1), both
    return model.fold_in(state, histories), lambda other: model.fold_in(other, histories)
