"""What updates claim of items, and what is left of them when the claims are cut, for every kind of model."""

from collections.abc import Sequence

import numpy as np
import pytest

from common.config import Settings
from common.models import Arrays, Model, model_of
from common.models.row_claims import RowClaims, RowCut
from common.models.side_by_side import SideBySide, part_of
from tests.small_federation import ITEMS, rated_dataset

GMF = {"model": "ncf", "variant": "gmf"}
KINDS: dict[str, dict[str, object]] = {
    "ials": {},
    "mf": {"model": "mf"},
    "gmf": {**GMF, "warm_start_rounds": 0},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "fused": {"model": "ncf", "variant": "fused"},
    "gmf beside mlp": {"model": "ncf", "variant": "neumf", "warm_start": "gmf-mlp", "warm_start_rounds": 2},
    "warm start": {**GMF, "warm_start_rounds": 2},
    "turn": {**GMF, "warm_start_rounds": 1},
    "ials beside bce": {"model": "ncf", "variant": "fused", "loss": "bce"},
}
SAY_NOTHING: dict[str, dict[str, object]] = {
    "bce": {**GMF, "warm_start_rounds": 0, "loss": "bce"},
    "dp-sgd": {**GMF, "noise": "dp-sgd"},
}
BRANCHES = {"fused": 2, "gmf beside mlp": 2}


def begun(settings: dict[str, object], clients: int = 3) -> tuple[Model, Arrays, list[Arrays]]:
    """A root model, a state in the phase that the kind is about, and what clients send."""
    model = model_of(Settings(factors=4, **settings))  # type: ignore[arg-type]
    interactions = rated_dataset().interactions
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    parts = [interactions.take(part) for part in np.array_split(np.arange(interactions.user_count), clients)]
    if settings.get("warm_start_rounds") == 1:
        state = model.apply(state, model.fuse([model.local_step(state, part)[0] for part in parts], [1.0] * clients))
    return model, state, [model.local_step(state, part)[0] for part in parts]


def random_cuts(claims: Sequence[RowClaims], seed: int) -> list[RowCut]:
    """Any cut: nothing left of some counts, some left alone, and sums shortened at least as much."""
    rng = np.random.default_rng(seed)
    cuts = []
    for one in claims:
        counts = rng.choice([0.0, 1.0, *rng.random(3)], len(one.row_ids))
        cuts.append(RowCut(counts, counts * rng.choice([1.0, 0.3], len(counts))))
    return cuts


@pytest.mark.parametrize("kind", KINDS)
def test_claims_are_those_of_the_clients_own_users(kind: str) -> None:
    """The oracle counts the histories; the sums are compared where a model sends them as they are."""
    model, _, updates = begun(KINDS[kind])
    interactions = rated_dataset().interactions
    for update, users in zip(updates, np.array_split(np.arange(interactions.user_count), 3), strict=True):
        own = interactions.take(users)
        claims = model.claims(update)
        assert len(claims) == BRANCHES.get(kind, 1)
        for one in claims:
            counts = np.zeros(ITEMS)
            counts[one.row_ids] = one.counts
            assert one.users == len(users)
            assert np.array_equal(counts, np.bincount(own.items, minlength=ITEMS))
            assert np.all(np.diff(one.row_ids) > 0)
            assert one.sums.shape[0] == len(one.row_ids) == len(one.expected)
            assert np.all(one.expected >= 0)
            assert np.allclose(one.lengths, np.linalg.norm(one.sums.astype(np.float64), axis=1))


def test_what_a_full_softmax_expects_adds_up_to_the_interactions() -> None:
    """Each interaction hands out one expected one, over the whole catalogue."""
    model, _, updates = begun(KINDS["gmf"])
    for update in updates:
        (claims,) = model.claims(update)
        assert claims.expected.sum() == pytest.approx(claims.counts.sum(), rel=0.05)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_claims_of_a_cut_update_are_the_cut_claims(kind: str, seed: int) -> None:
    model, _, updates = begun(KINDS[kind])
    for update in updates:
        claims = model.claims(update)
        cuts = random_cuts(claims, seed)
        left = model.cut(update, cuts)
        assert set(left) == set(update)
        for before, cut, after in zip(claims, cuts, model.claims(left), strict=True):
            assert after.users == before.users
            assert np.array_equal(after.row_ids, before.row_ids)
            assert np.allclose(after.counts, before.counts * cut.counts)
            scale = np.abs(before.sums).max()
            assert np.abs(after.sums - before.sums * cut.sums[:, None]).max() < 1e-5 * scale
            assert np.allclose(after.expected, before.expected, atol=1e-4 * max(1.0, before.expected.max()))


@pytest.mark.parametrize("kind", KINDS | SAY_NOTHING)
def test_cut_by_ones_it_is_the_same_fused_update(kind: str) -> None:
    model, state, updates = begun((KINDS | SAY_NOTHING)[kind])
    whole = [
        model.cut(
            update, [RowCut(np.ones(len(one.row_ids)), np.ones(len(one.row_ids))) for one in model.claims(update)]
        )
        for update in updates
    ]
    now = model.at(state)
    fused, again = now.fuse(updates, [1.0] * 3), now.fuse(whole, [1.0] * 3)
    assert set(fused) == set(again)
    for name, array in fused.items():
        assert again[name] == pytest.approx(array, rel=1e-5, abs=1e-6 * max(1.0, float(np.abs(array).max(initial=0))))


@pytest.mark.parametrize("kind", KINDS)
def test_cutting_leaves_the_clients_update_as_it_was(kind: str) -> None:
    model, _, updates = begun(KINDS[kind])
    before = {name: array.copy() for name, array in updates[0].items()}
    model.cut(updates[0], random_cuts(model.claims(updates[0]), 4))
    assert all(np.array_equal(before[name], array) for name, array in updates[0].items())


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_cut_away_pulls_nobody(kind: str) -> None:
    """Cut to nothing at every client, a row's fused sum is zero, whatever was sent."""
    model, state, updates = begun(KINDS[kind])
    item, cut = 0, []
    for update in updates:
        factors = [np.where(one.row_ids == item, 0.0, 1.0) for one in model.claims(update)]
        cut.append(model.cut(update, [RowCut(each, each) for each in factors]))
    for update in cut:
        for one in model.claims(update):
            at = one.row_ids == item
            assert np.all(one.sums[at] == 0)
            assert np.all(one.counts[at] == 0)
    step = model.apply(state, model.at(state).fuse(cut, [1.0] * 3))
    assert all(np.all(np.isfinite(array)) for array in step.values() if array.dtype.kind == "f")


@pytest.mark.parametrize("kind", SAY_NOTHING)
def test_models_that_say_nothing_of_single_items_are_left_as_they_are(kind: str) -> None:
    model, _, updates = begun(SAY_NOTHING[kind])
    assert model.claims(updates[0]) == ()
    assert model.cut(updates[0], ()) is updates[0]


@pytest.mark.parametrize("kind", ["fused", "gmf beside mlp", "ials beside bce"])
def test_each_branch_beside_others_has_the_cuts_of_its_own_claims(kind: str) -> None:
    model, state, updates = begun(KINDS[kind])
    beside = model.at(state)
    assert isinstance(beside, SideBySide)
    cuts = random_cuts(beside.claims(updates[0]), 5)
    left, rest = beside.cut(updates[0], cuts), list(cuts)
    for branch in beside.branches:
        own = part_of(updates[0], branch.prefix)
        count = len(branch.model.claims(own))
        expected = branch.model.cut(own, [rest.pop(0) for _ in range(count)])
        for name, array in expected.items():
            assert np.array_equal(left[branch.prefix + name], array)
    assert rest == []
