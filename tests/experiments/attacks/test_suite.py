"""Every attack of the suite does what it says to a federation that does not defend itself."""

import numpy as np
import pytest

from common.errors import WrongUse
from experiments.attacks.pip_attack import cosine
from experiments.attacks.push_boost import PushBoost
from experiments.attacks.suite import ATTACKS
from experiments.attacks.sums import sums_of
from tests.experiments.attacks.small_attacks import (
    ITEMS,
    MODELS,
    attacked,
    bundled_settings,
    clean,
    exposure,
    ndcg,
    played,
    settings_of,
    views,
)

ROUNDS = 4
PUSHES = [name for name, attack in ATTACKS.items() if attack().targeted]
SPOILS = ["label-flip", "sign-flip-1", "sign-flip-5"]
SPOILS_MORE_DATA = ["gaussian", "alie", "spattack"]
"""Of a federation as small as the others are tried on, these make the model better as often as worse."""


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", PUSHES)
def test_a_push_raises_the_exposure_of_the_targets(name: str, model: str) -> None:
    settings = settings_of(model, ROUNDS)
    assert exposure(attacked(name, settings)) > exposure(clean(settings)) + 0.1


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", SPOILS)
def test_an_untargeted_attack_makes_the_model_worse(name: str, model: str) -> None:
    settings = settings_of(model, ROUNDS)
    assert ndcg(attacked(name, settings)) < ndcg(clean(settings)) - 0.01


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", SPOILS_MORE_DATA)
def test_an_untargeted_attack_makes_the_model_of_more_data_worse(name: str, model: str) -> None:
    settings = bundled_settings(model, 3)
    assert ndcg(attacked(name, settings)) < ndcg(clean(settings)) - 0.005


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_models(name: str) -> None:
    first, again = (played(ATTACKS[name](), settings_of("ials", 2)).report["rounds"] for _ in range(2))
    assert [row["model"] for row in again] == [row["model"] for row in first]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_sent_could_be_an_honest_update(name: str, model: str) -> None:
    for view in views(model):
        update = ATTACKS[name]().update(view)
        view.model.check_update(update, ITEMS)


@pytest.mark.parametrize("name", [name for name in PUSHES if name != "sybil" and not name.startswith("shilling")])
def test_a_push_of_own_users_leaves_other_rows_honest(name: str) -> None:
    view = views("ials")[1]
    sent, honest = (sums_of(view.model, update, ITEMS).lift for update in (ATTACKS[name]().update(view), view.honest))
    others = np.setdiff1d(np.arange(ITEMS), view.targets)
    assert cosine(sent[others], honest[others]) > 0.999  # the adaptive one is shortened


def test_two_branches_are_attacked_as_one_model() -> None:
    settings = settings_of("fused", 2)
    run = attacked("push-boost-3", settings)
    assert exposure(run) > exposure(clean(settings)) + 0.1


def test_nobody_attacks_without_an_attack_or_with_no_share() -> None:
    settings = settings_of("ials", 2)
    wanted = [row["model"] for row in played(None, settings).report["rounds"]]
    without = played(PushBoost(), settings, share=0.0)
    assert not without.malicious
    assert [row["model"] for row in without.report["rounds"]] == wanted


def test_a_model_that_no_attack_is_written_for_is_refused() -> None:
    with pytest.raises(WrongUse, match="Attacks are written for updates without noise of --model ials"):
        played(PushBoost(), settings_of("neumf", 2))
