"""Adaptive: knows the probe pool and every gate, and claims just less than what would be noticed.

The update is honest but for the targets' rows. There it claims as many users as public knowledge allows, and a row that
lifts the target for all users, as long as honest rows of so many users are at the 95th percentile:

    n_t    = `claim` times the target's share of the public volunteers, with one more added, times the client's users
    lift_t = n_t l unit(m),   l = 95th percentile of |lift_i| / n_i in the colluders' honest updates

Then it does on the public probe pool what peers and gates do, and moves half the way back to its honest rows until all
of this holds:

    the gain on its shard is at least the 25th percentile of the colluders' honest gains,
    the cosine to its own honest update is at least the 5th percentile of those between honest updates,
    the update is no longer than the 95th percentile of honest ones, or its own,
    no target rises in the volunteers' lists of ten by more than `drift` of them, were everybody to send this update.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from common.data.probe import public_histories
from common.models import Arrays, FloatArray
from common.probe_scoring import MeasuredShard, state_with_update_alone
from experiments.attacks.attack import Attack, View
from experiments.attacks.pip_attack import cosine, least_cosine
from experiments.attacks.pushing import honest_sums, mean_vector, unit
from experiments.attacks.sums import Sums, update_of

CUTOFF = 10
_ATTEMPTS = 6


@dataclass(frozen=True)
class Adaptive(Attack):
    """Push as far as all the gates together let it."""

    name: ClassVar[str] = "adaptive"
    knowledge: ClassVar[str] = "the colluders' data, the public probe pool, and every gate with its threshold"
    budget: ClassVar[str] = "`claim` times the public popularity; honest percentiles of score, length, cosine; `drift`"
    source: ClassVar[str] = "ours; the kind of attack that Tramèr et al. (2020), On adaptive attacks, ask for"
    targeted: ClassVar[bool] = True

    claim: float = 3.0
    drift: float = 0.1

    def update(self, view: View) -> Arrays:
        """Return the update that goes furthest, of those that pass; the honest one where none does."""
        honest = honest_sums(view, view.account)
        sums = self.claimed(view)
        for _ in range(_ATTEMPTS):
            update = update_of(view.model, sums)
            if self._passes(view, update, sums):
                return update
            lift, counts = sums.lift.copy(), sums.counts.copy()
            lift[view.targets] = (lift[view.targets] + honest.lift[view.targets]) / 2
            counts[view.targets] = (counts[view.targets] + honest.counts[view.targets] + 1) // 2
            sums = replace(sums, lift=lift, counts=counts)
        return view.honest

    def claimed(self, view: View) -> Sums:
        """Return the honest sums with the most that is claimed of the targets."""
        honest = honest_sums(view, view.account)
        public = public_histories(view.probe)
        having = np.bincount(public.items, minlength=public.item_count)[view.targets]
        share = np.minimum(1.0, self.claim * (having + 1) / (public.user_count + 1))
        lift, counts = honest.lift.copy(), honest.counts.copy()
        counts[view.targets] = np.maximum(counts[view.targets], np.ceil(share * honest.users))
        reach = counts[view.targets] * length_per_user(view)
        lift[view.targets] = reach.astype(np.float32)[:, None] * unit(mean_vector(view, *view.colluders))
        return replace(honest, lift=lift, counts=counts)

    def _passes(self, view: View, update: Arrays, sums: Sums) -> bool:
        honest = honest_sums(view, view.account)
        longest = view.together("longest", lambda: _longest(view))
        if np.linalg.norm(sums.lift) > max(longest, float(np.linalg.norm(honest.lift))):
            return False
        if cosine(sums.lift, honest.lift) < least_cosine(view):
            return False
        if _gain(view, update) < view.together("least gain", lambda: _least_gain(view)):
            return False
        before = view.together("volunteers' lists", lambda: _listed(view, view.state))
        applied = state_with_update_alone(view.model, view.state, update, view.settings.clients)
        return bool(np.all(_listed(view, applied) - before <= self.drift))


def length_per_user(view: View) -> float:
    """Return the 95th percentile of a row's length per user that has the item, in the colluders' honest updates."""

    def percentile() -> float:
        ratios = []
        for account in sorted(view.colluders):
            sums = honest_sums(view, account)
            touched = sums.counts > 0
            ratios.append(sums.lengths[touched] / sums.counts[touched])
        return float(np.percentile(np.concatenate(ratios), 95))

    return view.together("length per user", percentile)


def _longest(view: View) -> float:
    return float(np.percentile([np.linalg.norm(honest_sums(view, one).lift) for one in view.colluders], 95))


def _gain(view: View, update: Arrays) -> float:
    """Return what an update gains on the first shard, as peers measure it."""
    shard = view.together("shard", lambda: MeasuredShard(view.model, view.state, view.probe[0]))
    gained = shard.gain(state_with_update_alone(view.model, view.state, update, view.settings.clients))
    return (gained.first + gained.second) / 2


def _least_gain(view: View) -> float:
    return float(np.percentile([_gain(view, view.honest_of(account)) for account in view.colluders], 25))


def _listed(view: View, state: Arrays) -> FloatArray:
    """Return the share of the volunteers to whom each target is recommended. Shape (targets,)."""
    histories = view.together("volunteers", lambda: public_histories(view.probe))
    scores = view.model.scores(state, view.model.fold_in(state, histories))
    scores[histories.users, histories.items] = -np.inf
    least = np.partition(scores, -CUTOFF, axis=1)[:, -CUTOFF]
    listed: FloatArray = (scores[:, view.targets] >= least[:, None]).mean(axis=0, dtype=np.float32)
    return listed
