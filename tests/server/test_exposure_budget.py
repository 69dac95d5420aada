"""An item that is pushed by hand is held to its budget, rolled back where that is not enough, and others are left."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from common.config import Settings
from common.models import Arrays, Model, model_of
from server.exposure_budget import CUTOFF, Held, exposure_budgets, exposure_of, hold_to_budget
from server.inspection import fused_state
from server.public_reference import PublicReference
from server.reputation import WAD
from tests.small_federation import ITEMS, SmallFederation

KINDS: dict[str, dict[str, object]] = {
    "ials": {},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "fused": {"model": "ncf", "variant": "fused"},
}


@pytest.fixture(scope="module")
def reference(small: SmallFederation) -> PublicReference:
    return PublicReference.of(small.data.probe)


def trained(small: SmallFederation, kind: dict[str, object], rounds: int) -> tuple[Model, list[Arrays]]:
    model = model_of(Settings(factors=4, **kind))  # type: ignore[arg-type]
    states = [model.initial_state(ITEMS, np.random.default_rng(1))]
    for _ in range(rounds):
        update = model.local_step(states[-1], small.data.train)[0]
        states.append(model.apply(states[-1], model.fuse([update], [1.0])))
    return model, states


def pushed(state: Arrays, item: int) -> Arrays:
    """Everybody's taste at ten times its length, or a bias above all others."""
    changed = dict(state)
    for name, array in state.items():
        if name.endswith("item_factors"):
            changed[name] = array.copy()
            changed[name][item] = 10 * array.mean(axis=0)
        if name.endswith("item_bias"):
            changed[name] = array.copy()
            changed[name][item] = array.max() + 10
    return changed


def rows_of(state: Arrays, item: int) -> dict[str, bytes]:
    return {
        name: array[item].tobytes()
        for name, array in state.items()
        if name.endswith(("item_factors", "item_bias", "momentum"))
    }


def test_exposure_is_counted_as_a_slow_ranking_counts_it(small: SmallFederation, reference: PublicReference) -> None:
    model, states = trained(small, {}, 3)
    scores = model.scores(states[-1], model.fold_in(states[-1], reference.histories))
    seen = np.zeros(ITEMS)
    for user in range(reference.histories.user_count):
        own = set(reference.histories.items[reference.histories.users == user].tolist())
        others = [item for item in np.argsort(-scores[user], kind="stable").tolist() if item not in own]
        seen[others[:CUTOFF]] += 1
    exposure = exposure_of(model, states[-1], reference)
    assert exposure == pytest.approx(seen / reference.histories.user_count)
    assert exposure.sum() == pytest.approx(CUTOFF)


def test_budgets_are_their_formula_and_grow_with_what_is_public(reference: PublicReference) -> None:
    budgets = exposure_budgets(reference)
    tenth = sorted(reference.upper_share.tolist())[-10]
    for item in range(ITEMS):
        expected = 0.01 + 2 / reference.histories.user_count + (reference.upper_share[item] / tenth) ** 2
        assert budgets[item] == pytest.approx(expected)
    assert np.array_equal(np.argsort(budgets, kind="stable"), np.argsort(reference.counts, kind="stable"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_step_is_left_as_it_is(small: SmallFederation, reference: PublicReference, kind: str) -> None:
    model, states = trained(small, KINDS[kind], 3)
    for before, after in pairwise(states):
        state, held = hold_to_budget(model, before, after, reference)
        assert held == ()
        assert state is after


@pytest.mark.parametrize("kind", KINDS)
def test_a_pushed_item_keeps_the_rows_that_were_sent(
    small: SmallFederation, reference: PublicReference, kind: str
) -> None:
    model, (*_, before, after) = trained(small, KINDS[kind], 3)
    item = int(reference.counts.argmin())
    attacked = pushed(after, item)
    exposure, budget = exposure_of(model, attacked, reference)[item], exposure_budgets(reference)[item]
    assert exposure > budget
    state, held = hold_to_budget(model, before, attacked, reference)
    assert held == (Held(item, exposure, budget, rolled_back=False),)
    assert exposure_of(model, state, reference)[item] <= budget
    assert rows_of(state, item) == rows_of(before, item)
    for other in set(range(ITEMS)) - {item}:
        assert rows_of(state, other) == rows_of(attacked, other)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_that_was_over_its_budget_already_is_rolled_back(
    small: SmallFederation, reference: PublicReference, kind: str
) -> None:
    model, (*_, before, after) = trained(small, KINDS[kind], 3)
    item = int(reference.counts.argmin())
    state, held = hold_to_budget(model, pushed(before, item), pushed(after, item), reference)
    assert [(one.item, one.rolled_back) for one in held] == [(item, True)]
    assert exposure_of(model, state, reference)[item] <= exposure_budgets(reference)[item]
    for name, array in state.items():
        if name.endswith("item_factors"):
            assert not array[item].any()
        if name.endswith("item_bias"):
            assert array[item] == after[name].min()


def test_a_model_that_predicts_ratings_shows_no_lists_and_is_left_alone(
    small: SmallFederation, reference: PublicReference
) -> None:
    model, (*_, before, after) = trained(small, {"model": "mf"}, 2)
    attacked = pushed(after, int(reference.counts.argmin()))
    state, held = hold_to_budget(model, before, attacked, reference)
    assert held == ()
    assert state is attacked


@pytest.mark.parametrize(
    ("changed", "holds"),
    [({}, True), ({"defence": "scores"}, False), ({"noise": "gaussian", "clipping_norm": 3.0}, False)],
)
def test_the_papers_defence_and_noise_hold_nothing(
    small: SmallFederation, reference: PublicReference, changed: dict[str, object], holds: bool
) -> None:
    """What was sent is over the budget, so the step from it is, and only a held row is not."""
    model, (*_, before, _) = trained(small, {}, 3)
    settings = Settings(factors=4, **changed)  # type: ignore[arg-type]
    item = int(reference.counts.argmin())
    update = model.local_step(before, small.data.train)[0]
    attacked = pushed(before, item)
    attacked["item_factors"][item] *= 3  # as far as one step does not bring it back
    stepped, nothing = fused_state(
        replace(settings, defence="scores"), model, attacked, {"0xA": update}, {"0xA": WAD}, None, reference
    )
    assert nothing == ()
    state, held = fused_state(settings, model, attacked, {"0xA": update}, {"0xA": WAD}, None, reference)
    expected = hold_to_budget(model, attacked, stepped, reference) if holds else (stepped, ())
    assert held == expected[1]
    assert bool(held) is holds
    assert all(np.array_equal(state[name], array) for name, array in expected[0].items())
