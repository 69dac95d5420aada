"""Adaptive: knows the probe pool and every gate, and claims just less than what would be noticed.

The update is honest but for the targets' rows. Of what the server's own limits let pass, it takes the share `claim`:

    n_t    = what the coalition may say of t until row caps cut it, shared out evenly and added to the honest clients'
    lift_t = unit(m) times the longest row that n_t users can make, m being the mean vector of the colluders' users

and lets honest rows stand where a target is near its exposure budget already, or would come over it in the next model
as the colluders foresee it. Then each is shortened to the 95th percentile of honest updates, or to its own honest one
where that is longer, does what peers do, and goes back towards its honest rows until

    its gain on public shards is at most `loss` below the 25th percentile of the colluders' honest gains, or below its
    own honest gain: a push costs some of the score, and so some of the weight that it is made with,
    its cosine to its own honest update is at least the 5th percentile of those between honest updates.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from common.models import Arrays, FloatArray
from common.probe_scoring import MeasuredShard, state_with_update_alone
from experiments.attacks.attack import Attack, View
from experiments.attacks.pip_attack import cosine, least_cosine
from experiments.attacks.pushing import honest_sums, mean_vector, unit
from experiments.attacks.sums import Sums, update_of
from server.exposure_budget import exposure_budgets, exposure_of
from server.public_reference import PublicReference
from server.row_caps import LengthBound

_ATTEMPTS, _STEP = 12, 0.75
_SHARDS = 3
"""Of the pool: as many as the noise of one makes necessary."""


@dataclass(frozen=True)
class Adaptive(Attack):
    """Push as far as all the gates together let it."""

    name: ClassVar[str] = "adaptive"
    knowledge: ClassVar[str] = "the colluders' data, the public probe pool, and every gate with its threshold"
    budget: ClassVar[str] = (
        "`claim` of what row caps and exposure budgets let pass; `loss` of score; honest percentiles otherwise"
    )
    source: ClassVar[str] = "ours; the kind of attack that Tramèr et al. (2020), On adaptive attacks, ask for"
    targeted: ClassVar[bool] = True

    claim: float = 0.9
    loss: float = 0.02

    def update(self, view: View) -> Arrays:
        """Return the update that goes furthest, of those that pass; the honest one where none does."""
        honest = honest_sums(view, view.account)
        first = replace(view, account=min(view.colluders))
        strength = view.together("strength", lambda: self._strength(first))
        for _ in range(_ATTEMPTS):
            sums = _shortened(view, honest, between(view, honest, self._claimed(view), strength))
            update = update_of(view.model, sums)
            if self._looks_honest(view, update, sums):
                return update
            strength = np.float32(_STEP) * strength
        return view.honest

    def _claimed(self, view: View) -> Sums:
        """Return the honest sums with the most that is claimed of the targets."""
        honest = honest_sums(view, view.account)
        reference, bound = _reference(view), view.together("length bound", lambda: _length_bound(view))
        mine = self.claim * allowed_share(view, reference.upper_share[view.targets])
        counts = honest.counts.copy()
        counts[view.targets] = np.maximum(counts[view.targets], np.floor(mine * honest.users))
        counts[view.targets] = np.maximum(counts[view.targets], 1)
        (said,) = view.model.claims(update_of(view.model, replace(honest, counts=counts)))
        longest = bound.lengths(said, said.counts)[np.searchsorted(said.row_ids, view.targets)]
        lift = honest.lift.copy()
        lengths = (self.claim * longest).astype(np.float32)
        lift[view.targets] = lengths[:, None] * unit(mean_vector(view, *view.colluders))
        return replace(honest, lift=lift, counts=counts)

    def _strength(self, view: View) -> FloatArray:
        """Return how far to go for each target, in [0, 1], as one colluder foresees it for all. Shape (targets,)."""
        reference, honest, claimed = _reference(view), honest_sums(view, view.account), self._claimed(view)
        budgets = self.claim * exposure_budgets(reference)[view.targets]
        malicious = len(view.colluders)
        shares = [float(malicious), float(view.settings.clients - malicious)]
        strength = np.ones(len(view.targets), dtype=np.float32)
        for _ in range(_ATTEMPTS):
            sent = update_of(view.model, between(view, honest, claimed, strength))
            foreseen = view.model.apply(view.state, view.model.fuse([sent, view.honest], shares))
            over = exposure_of(view.model, foreseen, reference)[view.targets] > budgets
            if not over.any():
                return strength
            strength[over] *= _STEP
        strength[over] = 0
        return strength

    def _looks_honest(self, view: View, update: Arrays, sums: Sums) -> bool:
        honest = honest_sums(view, view.account)
        least = min(view.together("least gain", lambda: _least_gain(view)), _honest_gain(view, view.account))
        return cosine(sums.lift, honest.lift) >= least_cosine(view) and _gain(view, update) >= least - self.loss


def between(view: View, honest: Sums, claimed: Sums, strength: FloatArray) -> Sums:
    """Return the honest sums moved towards the claimed ones, each target by its strength in [0, 1]."""
    lift, counts, targets = honest.lift.copy(), honest.counts.copy(), view.targets
    lift[targets] += strength[:, None] * (claimed.lift - honest.lift)[targets]
    counts[targets] += np.ceil(strength * (claimed.counts - honest.counts)[targets]).astype(np.int64)
    return replace(honest, lift=lift, counts=counts)


def allowed_share(view: View, upper_share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of its users of which each colluder may say that they have an item, before all are cut.

    The honest clients are taken to be like the colluders: as many users each, and as many of them have the item.
    """
    users = sum(train.user_count for train in view.colluders.values())
    honest = view.counts()[view.targets] / users
    malicious = len(view.colluders) / view.settings.clients
    share: NDArray[np.float64] = np.clip((upper_share - (1 - malicious) * honest) / malicious, 0, 1)
    return share


def _shortened(view: View, honest: Sums, sums: Sums) -> Sums:
    """Return the sums no longer than honest ones."""
    longest = max(view.together("longest", lambda: _longest(view)), float(np.linalg.norm(honest.lift)))
    length = max(float(np.linalg.norm(sums.lift)), 1e-30)
    return replace(sums, lift=np.float32(min(1.0, longest / length)) * sums.lift)


def _reference(view: View) -> PublicReference:
    return view.together("public reference", lambda: PublicReference.of(view.probe))


def _length_bound(view: View) -> LengthBound:
    reference = _reference(view)
    (public,) = view.model.claims(view.model.local_step(view.state, reference.histories)[0])
    return LengthBound(public, len(reference.counts))


def _longest(view: View) -> float:
    return float(np.percentile([np.linalg.norm(honest_sums(view, one).lift) for one in view.colluders], 95))


def _gain(view: View, update: Arrays) -> float:
    """Return what an update gains on some shards, as peers measure it."""
    shards = view.together(
        "shards", lambda: [MeasuredShard(view.model, view.state, shard) for shard in view.probe[:_SHARDS]]
    )
    applied = state_with_update_alone(view.model, view.state, update, view.settings.clients)
    gains = [shard.gain(applied) for shard in shards]
    return float(np.mean([(gained.first + gained.second) / 2 for gained in gains]))


def _honest_gain(view: View, account: str) -> float:
    return view.together(("honest gain", account), lambda: _gain(view, view.honest_of(account)))


def _least_gain(view: View) -> float:
    return float(np.percentile([_honest_gain(view, account) for account in view.colluders], 25))
