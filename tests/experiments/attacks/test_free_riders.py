import numpy as np
import pytest

from experiments.attacks.free_riders import CopyingRider, NoiseRider, ReplayRider, ZeroRider
from experiments.attacks.gaussian import median_length
from experiments.attacks.pip_attack import cosine
from experiments.attacks.sums import sums_of
from tests.experiments.attacks.small_attacks import ITEMS, MODELS, attacked, settings_of, views


@pytest.mark.parametrize("model", MODELS)
def test_a_zero_update_says_nothing_but_counts(model: str) -> None:
    view = views(model)[0]
    update = ZeroRider().update(view)
    assert not any(np.any(array) for array in update.values() if array.dtype.kind == "f")
    assert view.model.example_count(update) == len(view.train.items)


@pytest.mark.parametrize("model", MODELS)
def test_a_replay_makes_the_server_take_its_last_step_again(model: str) -> None:
    view = views(model)[0]
    update = ReplayRider().update(view)
    touched = np.bincount(view.train.items, minlength=ITEMS) > 0
    applied = view.model.apply(view.state, view.model.fuse([update], [1.0]))
    before = view.earlier[-1]["item_factors"]
    last = (view.state["item_factors"] - before)[touched]
    again = (applied["item_factors"] - view.state["item_factors"])[touched]
    assert cosine(again, last) > 0.9


@pytest.mark.parametrize("model", MODELS)
def test_copies_are_of_honest_peers_and_go_round(model: str) -> None:
    seen = views(model)
    copies = [CopyingRider().update(view) for view in seen]
    honest = [seen[0].peers["0x07"], seen[0].peers["0x08"]]
    for number, copy in enumerate(copies):
        wanted = honest[number % 2]
        assert copy.keys() == wanted.keys()
        assert all(np.array_equal(copy[name], wanted[name]) for name in copy)


@pytest.mark.parametrize("model", MODELS)
def test_noise_is_as_long_as_an_honest_update_at_most_and_unlike_it(model: str) -> None:
    view = views(model)[0]
    sent = sums_of(view.model, NoiseRider().update(view), ITEMS).lift
    honest = sums_of(view.model, view.honest, ITEMS).lift
    assert 0.3 * median_length(view) < np.linalg.norm(sent) < 1.01 * median_length(view)
    assert abs(cosine(sent, honest)) < 0.3


@pytest.mark.parametrize("name", ["free-rider-replay", "free-rider-copy"])
def test_scores_alone_pay_free_riders_like_everybody(name: str) -> None:
    run = attacked(name, settings_of("ials", 4))
    paid = run.report["rounds"][-1]["reward"]
    share = sum(int(paid[account]) for account in run.malicious) / sum(map(int, paid.values()))
    assert share > 0.3
