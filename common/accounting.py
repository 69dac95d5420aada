"""Facts about noise: what was released, and what is claimed from it.

A release is a frozen value that states a mechanism's mathematical assumptions. How large an epsilon follows is the
business of `server/privacy_statement.py`; other mechanisms (Laplace, exposure-scaled Gaussian, Skellam) become further
releases beside these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from common.config import LEAST_NOISE_MULTIPLIER, MOST_NOISE_MULTIPLIER
from common.errors import WrongUse

Unit = Literal["client", "user", "interaction"]
"""Whose presence the noise hides: everything of one data owner, of one person, or one interaction of a person."""

Adjacency = Literal["add-or-remove", "zero-out"]
"""Which two data sets must look alike. "add-or-remove": with and without the unit. "zero-out": the unit takes part in
both, but in one of them its contribution is the zero vector; the relation for a release that carries its sender's name,
because who took part is then no secret. Under both, a contribution of norm at most C moves the result by at most C.
Replacing one contribution by another, the relation of local privacy, would move it by 2 C: no epsilon here claims that.
"""

Mode = Literal["visible"]
"""Who sees single updates. "visible": the coordinator and the peers of the committee do."""


@dataclass(frozen=True)
class GaussianRelease:
    """N(0, (noise_multiplier C)^2) on every coordinate of a vector that one unit moves by at most C in L2 norm.

    Every participation counts in full: the selection of clients is public, so it amplifies nothing (sample rate 1).
    The vectors may depend on all earlier releases, as updates depend on the models that came before.
    """

    noise_multiplier: float
    """sigma / C, no unit."""
    unit: Unit
    adjacency: Adjacency
    participations: int = 1
    """How many such vectors were released. The same bytes sent again are one release; noise drawn anew is another."""

    def __post_init__(self) -> None:
        _check_noise_multiplier(self.noise_multiplier)
        _check_count("participations", self.participations)

    def repeated(self, times: int) -> Self:
        """Return this release made `times` times."""
        return replace(self, participations=self.participations * times)


@dataclass(frozen=True)
class DpSgdRelease:
    """Steps of DP-SGD [Abadi et al. (2016), Algorithm 1] on Poisson samples of one client's interactions.

    Every gradient of one interaction, over all parameters together, is clipped to C; the sum of a step gets noise
    N(0, (noise_multiplier C)^2). The sample is the client's secret, so it amplifies. Nothing is said about a user, of
    whom many interactions take part. Sample rate and number of steps must not follow from the client's data.
    """

    unit: ClassVar[Unit] = "interaction"
    adjacency: ClassVar[Adjacency] = "add-or-remove"

    noise_multiplier: float
    """sigma / C, no unit."""
    sample_rate: float
    """Chance that an interaction is in a step's sample, in (0, 1]."""
    steps: int
    """Noisy steps, over all rounds."""

    def __post_init__(self) -> None:
        _check_noise_multiplier(self.noise_multiplier)
        _check_count("steps", self.steps)
        if not 0 < self.sample_rate <= 1:
            raise WrongUse(f"The sample rate must lie in (0, 1], not {self.sample_rate}.")

    def repeated(self, times: int) -> Self:
        """Return this release made `times` times."""
        return replace(self, steps=self.steps * times)


Release = GaussianRelease | DpSgdRelease


def composed_noise_multiplier(releases: Sequence[GaussianRelease]) -> float:
    """Return the multiplier of the one release that tells as much about a unit as all of these together.

    A release of multiplier s is (1/s)-GDP, and the composition of mu_i-GDP mechanisms, each chosen after seeing the
    results before it, is sqrt(sum_i mu_i^2)-GDP [Dong, Roth, Su (2022), "Gaussian differential privacy",
    arXiv:1905.02383, Theorem 2.7 and Corollary 3.3]:

        s = (sum_i participations_i / s_i^2)^(-1/2)

    Nothing released is infinite noise.

    Raises:
        WrongUse: their units or adjacencies differ.
    """
    if len({(release.unit, release.adjacency) for release in releases}) > 1:
        raise WrongUse("Releases for different units or adjacencies cannot be composed.")
    information = sum(release.participations / release.noise_multiplier**2 for release in releases)
    return 1 / math.sqrt(information) if information else math.inf


@dataclass(frozen=True)
class PrivacyStatement:
    """What a run claims for one client: two epsilons with everything that gives them a meaning, or none and the reason.

    The figures hold for the client that took part most often.
    """

    mode: Mode
    unit: Unit | None
    adjacency: Adjacency | None
    epsilon_aggregate: float | None
    """Towards those who see models, evidence and chain only."""
    epsilon_committee: float | None
    """Towards those who see the single updates: the coordinator and the committees."""
    delta: float | None
    accountant: str | None
    """What computed the epsilons."""
    reason: str | None
    """Why nothing is claimed: one sentence, without a full stop."""

    def __post_init__(self) -> None:
        claims = (
            self.unit,
            self.adjacency,
            self.epsilon_aggregate,
            self.epsilon_committee,
            self.delta,
            self.accountant,
        )
        claimed = sum(claim is not None for claim in claims)
        if claimed != (0 if self.reason else len(claims)):
            raise ValueError("a privacy statement is either complete or empty with a reason")


def _check_noise_multiplier(noise_multiplier: float) -> None:
    if not LEAST_NOISE_MULTIPLIER <= noise_multiplier <= MOST_NOISE_MULTIPLIER:
        raise WrongUse(
            f"The noise multiplier must lie between {LEAST_NOISE_MULTIPLIER:g} and {MOST_NOISE_MULTIPLIER:g}, "
            f"not {noise_multiplier}."
        )


def _check_count(label: str, count: int) -> None:
    if count < 0:
        raise WrongUse(f"The number of {label} must be at least 0, not {count}.")
