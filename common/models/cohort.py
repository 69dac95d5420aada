"""The fused update of a whole cohort at once: no client's own update is made, and no message.

What `fuse` makes of local steps is a sum over users in which each user counts with its client's weight, so that all
users of all clients can be taken as one batch: one Gram matrix, one decomposition, full blocks. Where clients hold one
user each this saves nearly all of the work. Secure aggregation would give the server just this and nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.user_items import UserItems
from common.models.ials import Ials
from common.models.ials_cohort import ials_cohort_step
from common.models.mf import Mf
from common.models.mf_cohort import mf_cohort_step
from common.models.model import Arrays, Model
from common.models.ncf import Ncf
from common.models.ncf_cohort import ncf_cohort_step
from common.models.side_by_side import SideBySide, part_of
from common.models.warm_start import Turn, WarmStart


@dataclass(frozen=True, eq=False)
class Cohort:
    """The clients of a round.

    Fields:
        train: The users of all clients, in any order.
        client_of: Each user's client. int64, shape (users,), in 0..clients - 1.
        weights: Of the clients, as `fuse` takes them. float64, shape (clients,).
    """

    train: UserItems
    client_of: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, clients: Sequence[UserItems], weights: NDArray[np.float64]) -> "Cohort":
        """Put clients together, one after another."""
        client_of = np.repeat(np.arange(len(clients)), [train.user_count for train in clients])
        return cls(UserItems.stacked(clients), client_of, weights)


def cohort_step(model: Model, state: Arrays, cohort: Cohort) -> Arrays:
    """Return what `fuse` makes of every client's local step, up to rounding.

    Guarantee: within 1e-6, of an array's largest number for sums and of the largest error, 1, for mean gradients.

    Models without a step for cohorts are trained one client after another.
    """
    train, client_of, weights = cohort.train, cohort.client_of, cohort.weights
    if isinstance(model, WarmStart):
        fused = cohort_step(model.at(state), state, cohort)
        return {model.prefix(state) + name: array for name, array in fused.items()}
    if isinstance(model, Turn):
        state, model = model.begun(state), model.then
    if isinstance(model, SideBySide):
        return model.of_all(lambda branch: cohort_step(branch.model, part_of(state, branch.prefix), cohort))
    if isinstance(model, Ials):
        return ials_cohort_step(model, state, train, weights[client_of])
    if isinstance(model, Mf):
        return mf_cohort_step(model, state, train, client_of, weights)
    if isinstance(model, Ncf):
        return ncf_cohort_step(model, state, train, client_of, weights)
    clients = [train.take(np.flatnonzero(client_of == client)) for client in range(len(weights))]
    updates = [model.local_step(state, own)[0] for own in clients]
    return model.fuse(updates, weights.tolist())
