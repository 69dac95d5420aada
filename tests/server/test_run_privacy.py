import math
from statistics import NormalDist

import pytest

from common.config import Settings
from server.privacy_statement import NO_NOISE
from server.run_privacy import run_statement

GAUSSIAN = {"noise": "gaussian", "noise_multiplier": 2.0, "withhold_metrics": True}


def test_without_noise_nothing_is_claimed() -> None:
    stated = run_statement(Settings(), 5)
    assert stated.epsilon_aggregate is None
    assert stated.reason == NO_NOISE


def test_noise_on_a_clients_whole_update_is_a_claim_about_the_client() -> None:
    stated = run_statement(Settings(**GAUSSIAN, delta=1e-6), 1)
    assert (stated.unit, stated.adjacency, stated.delta) == ("client", "zero-out", 1e-6)
    assert stated.epsilon_committee == stated.epsilon_aggregate
    assert stated.epsilon_aggregate is not None
    assert 0.95e-6 < delta_of_gaussian(stated.epsilon_aggregate, 2.0) <= 1e-6  # an upper bound, and a close one


def delta_of_gaussian(epsilon: float, sigma: float) -> float:
    """The exact delta of one Gaussian release [Balle and Wang (2018), Theorem 8]."""
    normal = NormalDist().cdf
    return normal(0.5 / sigma - epsilon * sigma) - math.exp(epsilon) * normal(-0.5 / sigma - epsilon * sigma)


def test_every_round_is_counted() -> None:
    one, five = (run_statement(Settings(**GAUSSIAN), rounds).epsilon_aggregate for rounds in (1, 5))
    assert one is not None and five is not None
    assert five > 2 * one


def test_noise_in_every_step_is_a_claim_about_one_interaction() -> None:
    settings = Settings(
        model="ncf", variant="gmf", warm_start_rounds=0, noise="dp-sgd", local_steps=4, withhold_metrics=True
    )
    stated = run_statement(settings, 3)
    assert (stated.unit, stated.adjacency) == ("interaction", "add-or-remove")
    # at sample rate 1, twelve steps are twelve Gaussian releases
    twelve = run_statement(Settings(**(GAUSSIAN | {"noise_multiplier": settings.noise_multiplier})), 12)
    assert stated.epsilon_aggregate == pytest.approx(twelve.epsilon_aggregate)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"withhold_metrics": False}, "metrics"),
        ({"insecure_deterministic_noise": True}, "deterministic"),
    ],
)
def test_one_broken_condition_voids_the_claim(changed: dict[str, bool], reason: str) -> None:
    stated = run_statement(Settings(**(GAUSSIAN | changed)), 5)
    assert stated.epsilon_aggregate is None
    assert stated.unit is None
    assert stated.reason is not None and reason in stated.reason
