"""Epsilons against formulas of our own, and every condition that voids them."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from common.accounting import DpSgdRelease, GaussianRelease, PrivacyStatement
from common.errors import WrongUse
from server.privacy_statement import MOST_PRV_STEPS, NO_NOISE, Conditions, epsilon_of, statement

DELTA = 1e-5
HOLDING = Conditions(
    operating_system_entropy=True,
    dense_row_block=True,
    one_joint_clip=True,
    uncharged=(),
    one_example_per_interaction=True,
    user_vectors_from_noisy_steps=True,
)


def gaussian(noise_multiplier, participations=1):
    return GaussianRelease(noise_multiplier, "client", "zero-out", participations)


def phi(x):
    """The standard normal distribution function."""
    return math.erfc(-x / math.sqrt(2)) / 2


def smallest_epsilon(delta_of, delta):
    low, high = 0.0, 1000.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle) > delta else (low, middle)
    return high


def exact_epsilon(noise_multiplier, delta):
    """Balle and Wang (2018), Theorem 8: delta = Phi(1/2s - eps s) - e^eps Phi(-1/2s - eps s)."""
    s = noise_multiplier

    def delta_of(epsilon):
        far = phi(-1 / (2 * s) - epsilon * s)
        return phi(1 / (2 * s) - epsilon * s) - (math.exp(epsilon + math.log(far)) if far else 0.0)

    return smallest_epsilon(delta_of, delta)


def test_one_release_at_sigma_1_has_epsilon_4_38():
    epsilon = epsilon_of([gaussian(1.0)], DELTA)
    assert epsilon.accountant == "Opacus PRV"
    assert epsilon.value == pytest.approx(4.38, abs=0.005)
    assert exact_epsilon(1.0, DELTA) == pytest.approx(4.3772, abs=1e-4)


@pytest.mark.parametrize("noise_multiplier", [0.3, 0.5, 1.0, 2.0, 4.0, 20.0])
@pytest.mark.parametrize("participations", [1, 5, 40])
@pytest.mark.parametrize("delta", [1e-5, 1e-12])
def test_gaussian_releases_are_bounded_tightly_from_above(noise_multiplier, participations, delta):
    exact = exact_epsilon(noise_multiplier / math.sqrt(participations), delta)
    bound = epsilon_of([gaussian(noise_multiplier, participations)], delta)
    if bound.accountant == "Opacus PRV":
        assert exact <= bound.value <= exact * 1.003 + 0.002
    else:
        assert exact > 300
        assert exact <= bound.value <= exact * 1.15


def exact_epsilon_of_one_step(noise_multiplier, sample_rate, delta):
    """One step, removal of the interaction, from the two densities: the larger direction for a positive epsilon."""
    s, q = noise_multiplier, sample_rate

    def delta_of(epsilon):
        threshold = s**2 * math.log((math.exp(epsilon) - 1 + q) / q) + 0.5  # where the densities' ratio is e^epsilon
        absent = phi(-threshold / s)
        return (1 - q) * absent + q * phi((1 - threshold) / s) - math.exp(epsilon) * absent

    return smallest_epsilon(delta_of, delta)


@pytest.mark.parametrize(("noise_multiplier", "sample_rate"), [(1.0, 0.1), (0.5, 0.01), (2.0, 0.5), (0.7, 0.999)])
def test_one_step_of_dp_sgd_equals_the_closed_form(noise_multiplier, sample_rate):
    exact = exact_epsilon_of_one_step(noise_multiplier, sample_rate, DELTA)
    bound = epsilon_of([DpSgdRelease(noise_multiplier, sample_rate, 1)], DELTA)
    assert bound.accountant == "Opacus PRV"
    assert exact <= bound.value <= exact * 1.003 + 0.003


def delta_by_convolution(noise_multiplier, sample_rate, steps, epsilon, rounding):
    """Round one step's privacy loss to a grid, up or down, convolve it with itself, and integrate: a bound on delta."""
    s, q, width = noise_multiplier, sample_rate, 0.001
    lowest = math.floor(math.log(1 - q) / width)
    edges = np.arange(lowest, 5000) * width
    odds = np.maximum(np.exp(edges) - 1 + q, 1e-300) / q
    x = s**2 * np.log(odds) + 0.5
    below = np.array([(1 - q) * phi(value / s) + q * phi((value - 1) / s) for value in x])
    one = np.diff(below, prepend=0.0)  # the mass between an edge and the one before, put on one of the two
    total = one
    for _ in range(steps - 1):
        total = np.convolve(total, one)
    shift = lowest if rounding == "up" else lowest - 1
    losses = (np.arange(len(total)) + steps * shift) * width
    return float(np.sum(total * np.maximum(0.0, 1 - np.exp(epsilon - losses))))


def test_many_steps_of_dp_sgd_lie_between_two_convolutions():
    noise_multiplier, sample_rate, steps = 1.0, 0.1, 8
    bound = epsilon_of([DpSgdRelease(noise_multiplier, sample_rate, steps)], DELTA).value
    assert delta_by_convolution(noise_multiplier, sample_rate, steps, bound, "down") <= DELTA
    assert delta_by_convolution(noise_multiplier, sample_rate, steps, bound - 0.02, "up") > DELTA


def test_steps_told_in_two_parts_compose_to_the_whole():
    whole = epsilon_of([DpSgdRelease(1.0, 0.05, 60)], DELTA).value
    parts = epsilon_of([DpSgdRelease(1.0, 0.05, 40), DpSgdRelease(1.0, 0.05, 20)], DELTA).value
    assert parts == pytest.approx(whole, abs=0.01)


def test_epsilon_grows_with_participations_and_shrinks_with_noise_and_delta():
    by_rounds = [epsilon_of([gaussian(2.0, rounds)], DELTA).value for rounds in (0, 1, 2, 5, 20)]
    by_noise = [epsilon_of([gaussian(noise)], DELTA).value for noise in (8.0, 4.0, 1.0, 0.5, 0.05, 0.01)]
    by_delta = [epsilon_of([gaussian(1.0)], delta).value for delta in (1e-2, 1e-5, 1e-8, 1e-14)]
    by_rate = [epsilon_of([DpSgdRelease(1.0, rate, 20)], DELTA).value for rate in (0.01, 0.1, 0.5, 1.0)]
    for series in (by_rounds, by_noise, by_delta, by_rate):
        assert series == sorted(series)
        assert len(set(series)) == len(series)


def test_sample_rate_1_amplifies_nothing():
    assert epsilon_of([DpSgdRelease(1.0, 1.0, 5)], DELTA).value == pytest.approx(
        epsilon_of([gaussian(1.0, 5)], DELTA).value, abs=0.02
    )


@pytest.mark.parametrize(
    ("release", "delta"),
    [
        (gaussian(0.01), DELTA),  # the grid overflows
        (gaussian(1.0), 1e-13),  # delta is near the grid's rounding
        (DpSgdRelease(0.5, 1e-6, 10**9), DELTA),  # PRV gives nonsense
        (DpSgdRelease(1.0, 0.01, MOST_PRV_STEPS + 1), DELTA),
    ],
)
def test_where_prv_cannot_be_used_rdp_answers_and_is_named(release, delta):
    epsilon = epsilon_of([release], delta)
    assert epsilon.accountant == "Opacus RDP"
    assert 0.5 < epsilon.value < math.inf


def test_a_delta_that_would_do_alone_gives_epsilon_zero_not_less():
    assert epsilon_of([gaussian(10.0)], 0.5).value == 0.0


def test_nothing_released_costs_nothing():
    assert epsilon_of([], DELTA).value == 0.0
    assert statement([gaussian(1.0)], HOLDING, DELTA, 0).epsilon_committee == 0.0


def test_an_honest_run_is_stated_in_full():
    stated = statement([gaussian(4.0)], HOLDING, DELTA, 10)
    assert asdict(stated) | {"epsilon_aggregate": None, "epsilon_committee": None} == {
        "mode": "visible",
        "unit": "client",
        "adjacency": "zero-out",
        "epsilon_aggregate": None,
        "epsilon_committee": None,
        "delta": DELTA,
        "accountant": "Opacus PRV",
        "reason": None,
    }
    assert stated.epsilon_committee == pytest.approx(exact_epsilon(4.0 / math.sqrt(10), DELTA), abs=0.01)
    # the local guarantee, by post-processing: the noise of others is not relied upon
    assert stated.epsilon_aggregate == stated.epsilon_committee


def test_charged_counts_are_composed_with_the_update():
    both = statement([gaussian(3.0), gaussian(4.0)], HOLDING, DELTA, 1)
    assert both.epsilon_committee == pytest.approx(exact_epsilon(2.4, DELTA), abs=0.01)
    assert both.epsilon_committee > statement([gaussian(3.0)], HOLDING, DELTA, 1).epsilon_committee


def test_dp_sgd_is_stated_for_an_interaction_and_composes_its_rounds():
    stated = statement([DpSgdRelease(1.0, 0.05, 20)], HOLDING, DELTA, 3)
    assert (stated.unit, stated.adjacency) == ("interaction", "add-or-remove")
    assert stated.epsilon_committee == epsilon_of([DpSgdRelease(1.0, 0.05, 60)], DELTA).value


BROKEN = {
    "no noise": ((), HOLDING, NO_NOISE),
    "insecure noise": ((gaussian(1.0),), replace(HOLDING, operating_system_entropy=False), "deterministic"),
    "touched rows": ((gaussian(1.0),), replace(HOLDING, dense_row_block=False), "only touched rows"),
    "clips apart": ((gaussian(1.0),), replace(HOLDING, one_joint_clip=False), "no joint clip"),
    "counts": ((gaussian(1.0),), replace(HOLDING, uncharged=("counts",)), "also send counts computed"),
    "users": ((gaussian(1.0),), replace(HOLDING, uncharged=("users",)), "also send users computed"),
    "more": (
        (gaussian(1.0),),
        replace(HOLDING, uncharged=("exposures", "metrics", "scores")),
        "also send exposures, metrics and scores computed",
    ),
    "several examples": (
        (DpSgdRelease(1.0, 0.1, 5),),
        replace(HOLDING, one_example_per_interaction=False),
        "several examples",
    ),
    "fitted users": (
        (DpSgdRelease(1.0, 0.1, 5),),
        replace(HOLDING, user_vectors_from_noisy_steps=False),
        "user vectors are fitted",
    ),
    "mixed units": ((gaussian(1.0), DpSgdRelease(1.0, 0.1, 5)), HOLDING, "different units"),
    "a user": ((GaussianRelease(1.0, "user", "zero-out"),), HOLDING, "bounds no single user"),
    "presence": ((GaussianRelease(1.0, "client", "add-or-remove"),), HOLDING, "who takes part is public"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_condition_leaves_no_epsilon_but_its_own_reason(case):
    releases, conditions, reason = BROKEN[case]
    stated = statement(releases, conditions, DELTA, 5)
    assert stated.reason is not None
    assert reason in stated.reason
    assert stated == PrivacyStatement("visible", None, None, None, None, None, None, stated.reason)


def test_every_reason_is_one_plain_sentence_of_its_own():
    reasons = [statement(releases, conditions, DELTA, 5).reason for releases, conditions, _ in BROKEN.values()]
    assert len(set(reasons)) == len(BROKEN)
    assert all(reason and not reason.endswith(".") and "\n" not in reason for reason in reasons)


def test_conditions_that_nobody_filled_in_allow_no_claim():
    assert statement([gaussian(1.0)], Conditions(), DELTA, 5).epsilon_committee is None


def test_dp_sgd_conditions_do_not_matter_for_noise_on_the_update():
    conditions = replace(HOLDING, one_example_per_interaction=False, user_vectors_from_noisy_steps=False)
    assert statement([gaussian(1.0)], conditions, DELTA, 5).epsilon_committee is not None


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
def test_an_impossible_delta_is_refused(delta):
    with pytest.raises(WrongUse, match="delta"):
        epsilon_of([gaussian(1.0)], delta)
    with pytest.raises(WrongUse, match="delta"):
        statement([gaussian(1.0)], HOLDING, delta, 1)


def test_other_wrong_questions_are_refused():
    with pytest.raises(WrongUse, match="participations"):
        statement([gaussian(1.0)], HOLDING, DELTA, -1)
    with pytest.raises(WrongUse, match="no common epsilon"):
        epsilon_of([gaussian(1.0), DpSgdRelease(1.0, 0.1, 5)], DELTA)
