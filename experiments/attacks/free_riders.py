"""Free riders: they want their share of the rewards, and train nothing.

They count their own interactions, which costs nothing, and invent the rest.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, Ials
from common.models.ncf import Ncf
from experiments.attacks.attack import Attack, View
from experiments.attacks.gaussian import noise
from experiments.attacks.sums import Sums, update_of

_SOURCE = "Fraboni et al. (2021), Free-rider attacks on model aggregation in federated learning"
_GUESSED_LENGTH = 1.0
"""Of a user's iALS vector: with this, nearly all of its items' scores can be near 1."""


class ZeroRider(Attack):
    """Send zeros."""

    name: ClassVar[str] = "free-rider-zero"
    knowledge: ClassVar[str] = "nothing"
    budget: ClassVar[str] = "no training"
    source: ClassVar[str] = _SOURCE + ", plain free-riding"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return an update that changes as little as one can."""
        return update_of(view.model, idle(view))


class ReplayRider(Attack):
    """Send what the server's last step was made of, as far as the public models tell."""

    name: ClassVar[str] = "free-rider-replay"
    knowledge: ClassVar[str] = "the models of this round and the one before"
    budget: ClassVar[str] = "no training"
    source: ClassVar[str] = _SOURCE + ", disguised by the last global step"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return the update for which the server would take its last step again; zeros before there was one."""
        if not view.earlier:
            return update_of(view.model, idle(view))
        return update_of(view.model, replayed(view.model, view.state, view.earlier[-1], idle(view)))


class CopyingRider(Attack):
    """Send what another client sent in the round before."""

    name: ClassVar[str] = "free-rider-copy"
    knowledge: ClassVar[str] = "the updates that the colluders were asked to score as peers in the round before"
    budget: ClassVar[str] = "no training"
    source: ClassVar[str] = _SOURCE + "; the copying that scoring by peers makes possible"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return another honest client's update for each colluder, as far as they go round; zeros without any."""
        owners = sorted(account for account in view.peers if account not in view.colluders)
        if not owners:
            return update_of(view.model, idle(view))
        return view.peers[owners[view.number % len(owners)]]


class NoiseRider(Attack):
    """Send noise of honest length."""

    name: ClassVar[str] = "free-rider-noise"
    knowledge: ClassVar[str] = "the length of honest updates"
    budget: ClassVar[str] = "no training; the median length of honest updates"
    source: ClassVar[str] = _SOURCE + ", disguised by noise"
    targeted: ClassVar[bool] = False

    def update(self, view: View) -> Arrays:
        """Return noise on the rows that the client's users touch, beside a Gram matrix that nobody fitted."""
        touched = np.where(idle(view).counts > 0, np.float32(1), np.float32(0))
        invented = replace(idle(view), lift=np.repeat(touched[:, None], view.state["item_factors"].shape[1], axis=1))
        if isinstance(view.model, Ials):
            invented = replace(invented, gram=_guessed_gram(view.model.factors, invented.users))
        return update_of(view.model, noise(view, invented))


def idle(view: View) -> Sums:
    """Return the client's own counts, and zeros."""
    train = view.train
    counts = np.bincount(train.items, minlength=train.item_count)
    zeros = np.zeros(view.state["item_factors"].shape, dtype=np.float32)
    if isinstance(view.model, Ials):
        return Sums(zeros, counts, train.user_count, gram=np.zeros((view.model.factors, view.model.factors)))
    return Sums(zeros, counts, train.user_count, expected=counts.astype(np.float64))


def replayed(model: Ials | Ncf, state: Arrays, before: Arrays, idle: Sums) -> Sums:
    """Return the sums that move the items as the last step did.

    iALS: the server's step is solved for R, momentum aside, with a guess in place of GP. GMF sends a gradient, and its
    running mean is part of the public model; biases are those that `Ncf.apply` would turn into the last change.
    """
    if isinstance(model, Ials):
        moved = state["item_factors"] - before["item_factors"]
        gram = _guessed_gram(model.factors, idle.users)
        penalty = model.regularisation * (idle.counts + model.alpha0 * idle.users)
        own_share = model.kappa * idle.counts / idle.users + model.alpha0
        spectrum = gram[0, 0]
        lift = (own_share * spectrum + penalty)[:, None] * moved
        lift += (model.alpha0 * spectrum + penalty)[:, None] * state["item_factors"]
        return replace(idle, lift=(lift * (idle.counts > 0)[:, None]).astype(np.float32), gram=gram)
    assert idle.expected is not None  # noqa: S101  # of GMF
    exposure = idle.counts + model.display * idle.users
    mean = before["item_factors"] - state["item_factors"]
    if "mean_of_item_factors" in state:
        started = 1 - model.item_optimizer.beta_mean ** max(1, int(state["steps"][0]))
        mean = state["mean_of_item_factors"] / started
    lift = (model.item_regularisation * state["item_factors"] - mean) * exposure[:, None]  # the server adds the penalty
    gradient = np.expm1(before["item_bias"] - state["item_bias"]).astype(np.float64)
    return replace(idle, lift=lift.astype(np.float32), expected=idle.counts + exposure * gradient)


def _guessed_gram(factors: int, users: int) -> NDArray[np.float64]:
    return np.eye(factors) * (users * _GUESSED_LENGTH**2 / factors)
