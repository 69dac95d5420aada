"""Every attack of the suite does what it says to a federation that does not defend itself."""

import pytest

from experiments.attacks.suite import ATTACKS
from tests.experiments.attacks.small_attacks import MODELS, attacked, clean, exposure, ndcg, played, settings_of

ROUNDS = 6
PUSHED = ["push-boost-1", "push-boost-3", "push-boost-10", "a-ra", "pip-attack", "sybil", "on-off"]
SPOILT = ["label-flip", "sign-flip-1", "sign-flip-5"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", PUSHED)
def test_a_push_raises_the_exposure_of_the_targets(name: str, model: str) -> None:
    assert exposure(attacked(name, model, ROUNDS)) > exposure(clean(model, ROUNDS)) + 0.05


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", SPOILT)
def test_an_untargeted_attack_makes_the_model_worse(name: str, model: str) -> None:
    assert ndcg(attacked(name, model, ROUNDS)) < ndcg(clean(model, ROUNDS)) - 0.02


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_models(name: str) -> None:
    first, again = (played(ATTACKS[name](), settings_of("ials", 2)).report["rounds"] for _ in range(2))
    assert [row["model"] for row in again] == [row["model"] for row in first]
