"""Facts about releases, and the norms that client and server measure alike."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.accounting import (
    DpSgdRelease,
    GaussianRelease,
    PrivacyStatement,
    composed_noise_multiplier,
)
from common.errors import CheckFailed, WrongUse
from common.norms import joint_norm, largest_honest_norm

MULTIPLIERS = st.floats(0.01, 100.0)


def release(noise_multiplier, participations=1, unit="client", adjacency="zero-out"):
    return GaussianRelease(noise_multiplier, unit, adjacency, participations)


def test_four_releases_at_sigma_2_are_one_at_sigma_1():
    assert composed_noise_multiplier([release(2.0, 4)]) == 1.0


def test_sigmas_3_and_4_compose_as_the_legs_of_a_right_triangle():
    # 1/9 + 1/16 = 25/144
    assert composed_noise_multiplier([release(3.0), release(4.0)]) == pytest.approx(12 / 5)


def test_nothing_released_is_infinite_noise():
    assert composed_noise_multiplier([]) == math.inf
    assert composed_noise_multiplier([release(1.0, 0)]) == math.inf


@given(MULTIPLIERS, st.integers(1, 1000))
def test_many_participations_are_as_many_single_releases(noise_multiplier, times):
    once = composed_noise_multiplier([release(noise_multiplier, times)])
    assert once == pytest.approx(composed_noise_multiplier([release(noise_multiplier)] * times))
    assert once == pytest.approx(noise_multiplier / math.sqrt(times))
    assert release(noise_multiplier).repeated(times) == release(noise_multiplier, times)


@given(st.lists(MULTIPLIERS, min_size=1, max_size=6), MULTIPLIERS)
def test_a_further_release_never_leaves_more_noise(multipliers, further):
    before = composed_noise_multiplier([release(multiplier) for multiplier in multipliers])
    after = composed_noise_multiplier([release(multiplier) for multiplier in [*multipliers, further]])
    assert after < before
    assert after <= further


@pytest.mark.parametrize("other", [{"unit": "user"}, {"adjacency": "add-or-remove"}])
def test_different_units_or_adjacencies_cannot_be_composed(other):
    with pytest.raises(WrongUse, match="cannot be composed"):
        composed_noise_multiplier([release(1.0), release(1.0, **other)])


@pytest.mark.parametrize("noise_multiplier", [0.0, -1.0, 1e-9, 1e9, math.inf, math.nan])
def test_an_impossible_noise_multiplier_is_refused(noise_multiplier):
    with pytest.raises(WrongUse, match="noise multiplier"):
        release(noise_multiplier)
    with pytest.raises(WrongUse, match="noise multiplier"):
        DpSgdRelease(noise_multiplier, 0.1, 10)


def test_other_impossible_releases_are_refused():
    with pytest.raises(WrongUse, match="participations"):
        release(1.0, -1)
    with pytest.raises(WrongUse, match="steps"):
        DpSgdRelease(1.0, 0.1, -1)
    for sample_rate in (0.0, 1.1, math.nan):
        with pytest.raises(WrongUse, match="sample rate"):
            DpSgdRelease(1.0, sample_rate, 10)


def test_dp_sgd_speaks_of_interactions_and_adds_up_its_steps():
    local = DpSgdRelease(1.0, 0.1, 10)
    assert (local.unit, local.adjacency) == ("interaction", "add-or-remove")
    assert local.repeated(3) == DpSgdRelease(1.0, 0.1, 30)


COMPLETE = PrivacyStatement("visible", "client", "zero-out", 1.0, 1.0, 1e-5, "Opacus PRV", None)


@pytest.mark.parametrize(
    "field", ["unit", "adjacency", "epsilon_aggregate", "epsilon_committee", "delta", "accountant"]
)
def test_a_statement_never_gives_an_epsilon_without_its_meaning(field):
    with pytest.raises(ValueError, match="complete or empty"):
        replace(COMPLETE, **{field: None})


def test_a_statement_never_gives_an_epsilon_and_a_reason_against_it():
    with pytest.raises(ValueError, match="complete or empty"):
        replace(COMPLETE, reason="no noise is added")
    with pytest.raises(ValueError, match="complete or empty"):
        PrivacyStatement("visible", None, None, None, None, None, None, None)


def test_the_norm_of_several_arrays_is_that_of_one_vector():
    arrays = {"a": np.array([[3.0]], np.float32), "b": np.array([0.0, 4.0]), "counts": np.array([99], np.uint32)}
    assert joint_norm(arrays, ["a", "b"]) == 5.0
    assert joint_norm(arrays, []) == 0.0
    assert joint_norm({"empty": np.zeros((0, 4))}, ["empty"]) == 0.0


@given(npst.arrays(np.float64, st.integers(0, 8), elements=st.floats(-1e150, 1e150)))
def test_the_norm_equals_the_slow_oracle(vector):
    assert joint_norm({"v": vector}, ["v"]) == pytest.approx(math.hypot(*vector), rel=1e-12)


def test_the_norm_of_a_symmetric_array_is_that_of_its_isometric_vectorisation():
    triangle = [2.0, math.sqrt(2) * -1.0, 5.0]  # upper triangle, off-diagonals times sqrt(2)
    assert joint_norm({"gram": np.array([[2.0, -1.0], [-1.0, 5.0]])}, ["gram"]) == pytest.approx(math.hypot(*triangle))


def test_squares_that_overflow_or_vanish_do_no_harm():
    assert joint_norm({"v": np.array([3e200, 4e200])}, ["v"]) == pytest.approx(5e200)
    assert joint_norm({"v": np.array([3e-200, 4e-200])}, ["v"]) == pytest.approx(5e-200)
    assert joint_norm({"v": np.array([3e38], np.float32)}, ["v"]) == pytest.approx(3e38)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [-np.inf], [1.7e308, 1.7e308]])
def test_a_norm_that_is_not_finite_is_an_error(bad):
    with pytest.raises(CheckFailed, match="not finite"):
        joint_norm(
            {"good": np.array([2.0]), "bad": np.array(bad), "better": np.array([1.0])}, ["good", "bad", "better"]
        )


def test_the_bound_on_an_honest_norm_is_the_formula():
    # C (1 + s (sqrt(4) + sqrt(2 * 8))) with C = 2, s = 1/2
    assert largest_honest_norm(2.0, 0.5, 4, math.exp(-8)) == pytest.approx(8.0)
    assert largest_honest_norm(2.0, 0.0, 4, 0.5) == 2.0


@pytest.mark.parametrize("entries", [1, 3, 200])
def test_honest_noise_exceeds_its_bound_no_more_often_than_said(entries):
    noise = np.random.default_rng(1).normal(0.0, 2.0, (20_000, entries))
    noise[:, 0] += 4.0  # the clipped update
    too_long = np.linalg.norm(noise, axis=1) > largest_honest_norm(4.0, 0.5, entries, 0.01)
    assert too_long.mean() <= 0.01


def test_the_facts_bring_neither_torch_nor_opacus():
    program = (
        "import sys, common.accounting, client.privacy, server.privacy_statement as s; "
        "s.statement((), s.Conditions(), 1e-5, 1); print(*{'torch', 'opacus', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
