"""What a run may claim about privacy: an epsilon where every condition holds, otherwise null and the reason.

The reasoning, for visible mode, about one client and somebody who knows everything but that client's data:

1. In a round the client releases one noisy vector: N(0, (s C)^2) on every entry of the public row block and of whatever
   else it sends, after one joint clip to C. Who took part is public, so the neighbouring relation is zero-out:
   the client takes part with its data, or takes part with the zero vector. That moves the vector by at most C.
2. The coordinator and the committees see that vector. Rounds compose adaptively: round t's vector depends on the models
   before it, which follow from earlier releases. Selection is public, so k participations count as k, not fewer. A peer
   sits on the client's committee in some rounds only; it is counted as if it did in all. That is `epsilon_committee`.
3. Commitments, scores by peers, reputations, rewards, models and the chain are computed from the released vectors,
   public data and other clients' messages: post-processing. So whoever sees models only learns at most as much, and
   `epsilon_aggregate` is the same number. The sum holds the noise of other clients too, but they may be dishonest,
   know their own noise or add none: nothing is claimed from it.
4. What a client sends beside the vector (counts, users, metrics of its held-out items, scores on its own data) is a
   further release. It is withheld, or has noise of its own and stands among the releases that are composed.

Not covered: volunteers' histories, which are public by consent; the time and size of messages; whether a client answers
at all; settings that people chose after looking at data; replacing a client's data by other data (twice the distance).
A client's epsilon says nothing smaller about one of its users: the clip bounds the whole client, so one person in a
client of many may be hidden better than the client is, but that is not accounted.

DP-SGD in the local step is another claim, about one interaction: its noise is in the steps, and what the client sends
is computed from the noisy parameters. It holds only if each noisy step sees an interaction in one clipped gradient: the
negatives drawn for it share that gradient and are drawn without a look at other interactions, and user vectors come out
of noisy steps as well, because a vector refitted to all of a user's items carries each of them into the gradients of
the others. It is never a claim about a user, nor about a client.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.accounting import DpSgdRelease, GaussianRelease, PrivacyStatement, Release, composed_noise_multiplier
from common.errors import WrongUse

NO_NOISE = "no noise is added: the coordinator and the committee see each update in the clear"

MOST_PRV_STEPS = 10_000
"""Opacus integrates the mean of one step numerically and multiplies it, error included, by the number of steps. The
error was at most 9e-10 a step in six cases, so 1e-5 after this many; with 1e9 steps at sample rate 1e-6 and sigma 0.5
the "upper bound" came out as 52 or below 0, by the grid, where RDP proves 1.94."""

LEAST_PRV_DELTA = 1e-12
"""Opacus adds up tails in float64 but compares delta with the rounding of long doubles: the last 1e-15 are noise."""


@dataclass(frozen=True)
class Conditions:
    """What else must be true of everything a client sends. As they stand, the defaults allow no claim."""

    operating_system_entropy: bool = False
    """Noise comes from `operating_system_generator`, or for DP-SGD from a generator seeded like it."""
    dense_row_block: bool = False
    """Every row of the public block is sent with noise, touched or not."""
    one_joint_clip: bool = False
    """One L2 norm is bounded, over all arrays that get noise (for DP-SGD: over all parameters of one example)."""
    uncharged: tuple[str, ...] = ("counts", "users", "exposures", "metrics", "scores")
    """Whatever else follows from the client's data and is sent, neither withheld nor among the releases."""
    one_example_per_interaction: bool = False
    """DP-SGD: an interaction and its negatives are clipped as one, and the draw looks at no other interaction."""
    user_vectors_from_noisy_steps: bool = False
    """DP-SGD: user vectors start from public values and are changed by the noisy steps alone."""


@dataclass(frozen=True)
class Epsilon:
    """An upper bound on epsilon, and what computed it."""

    value: float
    accountant: str


def statement(
    each_round: Sequence[Release], conditions: Conditions, delta: float, participations: int
) -> PrivacyStatement:
    """State what holds for a client after its participations, in visible mode.

    Args:
        each_round: What one participation releases: the update, and every further release that is charged. Empty when
            no noise is added.
        conditions: What else is true of the run.
        delta: In (0, 1), far below one over the number of units.
        participations: How many noisy replies the client made, accepted or not. Take the client with the most.

    Raises:
        WrongUse: delta or the participations are out of range.
    """
    if participations < 0:
        raise WrongUse(f"The number of participations must be at least 0, not {participations}.")
    _check_delta(delta)
    reason = why_nothing_is_claimed(each_round, conditions)
    if reason is not None:
        return PrivacyStatement("visible", None, None, None, None, None, None, reason)
    epsilon = epsilon_of([release.repeated(participations) for release in each_round], delta)
    unit, adjacency = each_round[0].unit, each_round[0].adjacency
    return PrivacyStatement("visible", unit, adjacency, epsilon.value, epsilon.value, delta, epsilon.accountant, None)


def why_nothing_is_claimed(each_round: Sequence[Release], conditions: Conditions) -> str | None:
    """Return the first broken condition as one sentence, or None where all hold."""
    local = any(isinstance(release, DpSgdRelease) for release in each_round)
    checks = (
        (bool(each_round), NO_NOISE),
        (
            conditions.operating_system_entropy,
            "the noise is deterministic (--insecure-deterministic-noise): whoever knows the seed can subtract it",
        ),
        (conditions.dense_row_block, "only touched rows are sent: which rows these are gives a client's items away"),
        (
            conditions.one_joint_clip,
            "no joint clip covers everything that gets noise, so the noise is not measured against its true reach",
        ),
        (
            not conditions.uncharged,
            f"clients also send {_listed(conditions.uncharged)} computed from their data, without noise",
        ),
        (
            not local or conditions.one_example_per_interaction,
            "one interaction enters the gradients of several examples, and the clip bounds each of them alone",
        ),
        (
            not local or conditions.user_vectors_from_noisy_steps,
            "user vectors are fitted without noise and carry an interaction into the gradients of others",
        ),
        (
            len({(release.unit, release.adjacency) for release in each_round}) <= 1,
            "the releases protect different units, and no epsilon covers them together",
        ),
        (
            all(release.unit == "client" for release in each_round if isinstance(release, GaussianRelease)),
            "the clip bounds a client's whole update, which bounds no single user or interaction",
        ),
        (
            all(release.adjacency == "zero-out" for release in each_round if isinstance(release, GaussianRelease)),
            "who takes part is public in visible mode, so an update's noise cannot hide whether a client was there",
        ),
    )
    return next((reason for holds, reason in checks if not holds), None)


def epsilon_of(releases: Sequence[Release], delta: float) -> Epsilon:
    """Bound epsilon for all these releases about one unit together, by Opacus.

    Gaussian releases are first composed into one, exactly. Opacus's PRV accountant [Gopi, Lee, Wutschitz (2021)] and
    its RDP accountant [Mironov (2017)] then each give an upper bound; the smaller one is returned with its name. That
    is PRV's wherever it can be used: asked for an error of a thousandth of RDP's answer, it exceeds the truth by at
    most 0.3 % and 0.002 (sigma 1, one release, delta 1e-5: 4.382, exactly 4.377). Its formulas hold at sample rate 1 as
    they stand; numpy then reports log(1 - 1), where the support begins, as a division by zero.

    RDP's answer remains where PRV's grid overflows, from an epsilon of about 300 to 500 on; below `LEAST_PRV_DELTA`;
    and beyond `MOST_PRV_STEPS`. It is some 3 to 15 % higher, and more where epsilon is small.

    Raises:
        WrongUse: the releases have no common unit and adjacency, or delta lies outside (0, 1).
    """
    _check_delta(delta)
    if len({(release.unit, release.adjacency) for release in releases}) > 1:
        raise WrongUse("Releases for different units or adjacencies have no common epsilon.")
    history = _opacus_history(releases)
    if not history:
        return Epsilon(0.0, "none: nothing was released")
    # Opacus brings torch, which a coordinator without noise never needs.
    from opacus.accountants import PRVAccountant, RDPAccountant  # noqa: PLC0415

    rdp, prv = RDPAccountant(), PRVAccountant()
    rdp.history, prv.history = list(history), list(history)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Optimal order is", UserWarning)  # RDP is loose there, but still a bound
        loose = float(rdp.get_epsilon(delta))
        tight = _prv_epsilon(prv, delta, max(1e-3, loose / 1000))
    # Below zero, a bound says that this delta would do alone; epsilon has no negative values.
    return Epsilon(max(0.0, tight), "Opacus PRV") if tight <= loose else Epsilon(max(0.0, loose), "Opacus RDP")


def _opacus_history(releases: Sequence[Release]) -> list[tuple[float, float, int]]:
    """Return (noise multiplier, sample rate, steps) for each kind of step."""
    multiplier = composed_noise_multiplier([release for release in releases if isinstance(release, GaussianRelease)])
    history = [(multiplier, 1.0, 1)] if multiplier < math.inf else []
    sampled = [release for release in releases if isinstance(release, DpSgdRelease) and release.steps]
    return history + [(release.noise_multiplier, release.sample_rate, release.steps) for release in sampled]


def _prv_epsilon(accountant: Any, delta: float, error: float) -> float:
    """Return the upper bound of Opacus's PRV accountant, or infinity where it has none that can be trusted."""
    steps = sum(times for _, _, times in accountant.history)
    if error >= 1 or steps > MOST_PRV_STEPS or delta < LEAST_PRV_DELTA:
        return math.inf
    with np.errstate(divide="ignore", over="raise", invalid="raise"):
        try:
            return float(accountant.get_epsilon(delta, eps_error=error))
        except (FloatingPointError, RuntimeError, ValueError):  # overflow, or a grid too coarse for its own checks
            return math.inf


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise WrongUse(f"delta must lie in (0, 1), not {delta}.")


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
