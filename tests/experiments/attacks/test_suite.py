"""Every attack of the suite does what it says to a federation that does not defend itself."""

import pytest

from experiments.attacks.suite import ATTACKS
from tests.experiments.attacks.small_attacks import MODELS, attacked, clean, exposure, ndcg, played, settings_of

ROUNDS = 6
PUSHED = [name for name, attack in ATTACKS.items() if attack().targeted]
SPOILT = ["label-flip"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", PUSHED)
def test_a_push_raises_the_exposure_of_the_targets(name: str, model: str) -> None:
    assert exposure(attacked(name, model, ROUNDS)) > exposure(clean(model, ROUNDS)) + 0.1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", SPOILT)
def test_an_untargeted_attack_makes_the_model_worse(name: str, model: str) -> None:
    assert ndcg(attacked(name, model, ROUNDS)) < ndcg(clean(model, ROUNDS)) - 0.02


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_models(name: str, model: str) -> None:
    again = played(ATTACKS[name](), settings_of(model, 2))
    first = attacked(name, model, ROUNDS).report["rounds"][:2]
    assert [row["model"] for row in again.report["rounds"]] == [row["model"] for row in first]
