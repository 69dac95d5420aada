"""Lying evaluators: clients that train honestly, and as peers do not sign what they measure."""

from dataclasses import dataclass
from typing import ClassVar

from common.errors import Rejected
from common.probe_scoring import ShardMetrics
from experiments.attacks.attack import Attack, Judging

_SOURCE = "T-FedRS 3.5, whose committees are to bear it; Kamvar et al. (2003), EigenTrust, threat models A to D"


@dataclass(frozen=True)
class Promoting(Attack):
    """Praise the colluders' updates and run down the others' by `by` in both gains."""

    name: ClassVar[str] = "evaluators-promote"
    knowledge: ClassVar[str] = "which clients collude"
    budget: ClassVar[str] = "every score that they sign"
    source: ClassVar[str] = _SOURCE
    targeted: ClassVar[bool] = False

    by: float = 0.5

    def gain(self, judging: Judging) -> ShardMetrics:
        """Return what was measured, and a lie on top."""
        return _moved(judging.measured(), self.by if judging.subject in judging.colluders else -self.by)


@dataclass(frozen=True)
class Bribed(Attack):
    """A share of the colluders lie as `Promoting` does, the others have not been bribed."""

    name: ClassVar[str] = "evaluators-bribed"
    knowledge: ClassVar[str] = "which clients collude"
    budget: ClassVar[str] = "every score of half of the malicious clients"
    source: ClassVar[str] = _SOURCE
    targeted: ClassVar[bool] = False

    share: float = 0.5
    by: float = 0.5

    def gain(self, judging: Judging) -> ShardMetrics:
        """Return the lie of the bribed, the others' truth."""
        bribed = sorted(judging.colluders)[: max(1, round(self.share * len(judging.colluders)))]
        if judging.evaluator not in bribed:
            return judging.measured()
        return Promoting(self.by).gain(judging)


class CopyingEvaluators(Attack):
    """Sign what the committee's consolidated score of the same client was in the round before, and measure nothing."""

    name: ClassVar[str] = "evaluators-copy"
    knowledge: ClassVar[str] = "the public evidence of the round before"
    budget: ClassVar[str] = "every score that they sign"
    source: ClassVar[str] = _SOURCE
    targeted: ClassVar[bool] = False

    def gain(self, judging: Judging) -> ShardMetrics:
        """Return the published gain, 0 where there is none."""
        published = judging.published.get(judging.subject, 0.0)
        return ShardMetrics(published, published)


class AbstainingEvaluators(Attack):
    """Score nobody."""

    name: ClassVar[str] = "evaluators-abstain"
    knowledge: ClassVar[str] = "nothing"
    budget: ClassVar[str] = "every score that they owe"
    source: ClassVar[str] = _SOURCE
    targeted: ClassVar[bool] = False

    def gain(self, judging: Judging) -> ShardMetrics:
        """Refuse.

        Raises:
            Rejected: always.
        """
        raise Rejected(f"{judging.evaluator} scores nobody")


def _moved(gains: ShardMetrics, by: float) -> ShardMetrics:
    """Return gains that stay in [-1, 1]."""
    return ShardMetrics(*(max(-1.0, min(1.0, gain + by)) for gain in (gains.first, gains.second)))
