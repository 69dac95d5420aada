"""Row caps against slow oracles: a level found by bisection, counts looked at one by one, and honest runs."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.config import Settings
from common.models import Arrays, Model, model_of
from common.models.row_claims import RowClaims
from server.gates import EXCESS_ALLOWED, LONGEST_ROW
from server.public_reference import PublicReference, upper_share
from server.row_caps import RATING_SLACK, LengthBound, RowCaps, believed_counts, believed_users, row_caps, water_level
from tests.small_federation import ITEMS, SmallFederation

FEW_ITEMS, VOLUNTEERS = 6, 20


def reference(counts: Sequence[float], mean_history: float = 3.0) -> PublicReference:
    public = np.array(counts, dtype=np.float64)
    return PublicReference(None, public, upper_share(public, VOLUNTEERS), mean_history)  # type: ignore[arg-type]


def claims_of(users: int, counts: dict[int, float]) -> RowClaims:
    rows = np.array(sorted(counts), dtype=np.intp)
    own = np.array([counts[item] for item in sorted(counts)], dtype=np.float64)
    return RowClaims(
        users, rows, own, np.zeros(len(rows)), np.ones((len(rows), 2), np.float32) * own[:, None].astype("f")
    )


@st.composite
def said_by_clients(draw: st.DrawFn) -> tuple[list[RowClaims], PublicReference]:
    said = []
    for _ in range(draw(st.integers(1, 6))):
        users = draw(st.integers(1, 30))
        counted = st.dictionaries(st.integers(0, FEW_ITEMS - 1), st.integers(1, users), min_size=0)
        said.append(claims_of(users, {item: float(count) for item, count in draw(counted).items()}))
    return said, reference([draw(st.integers(0, VOLUNTEERS)) for _ in range(FEW_ITEMS)])


def dense(one: RowClaims, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    every = np.zeros(FEW_ITEMS)
    every[one.row_ids] = counts
    return every


def bisected_level(shares: NDArray[np.float64], users: NDArray[np.float64], most: float) -> float:
    low, high = 0.0, float(shares.max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (users * np.minimum(shares, middle)).sum() < most else (low, middle)
    return low


# Counts


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 100)), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_a_water_level_is_the_one_that_bisection_finds(clients: list[tuple[float, float]], part: float) -> None:
    shares, users = (np.array(each) for each in zip(*clients, strict=True))
    total = float((users * shares).sum())
    if total < 1e-6:
        return
    level = water_level(shares, users, part * total)
    assert (users * np.minimum(shares, level)).sum() == pytest.approx(part * total, rel=1e-9)
    assert level == pytest.approx(bisected_level(shares, users, part * total), rel=1e-6, abs=1e-9)


@given(said_by_clients())
def test_no_item_has_more_than_its_upper_share_and_nobody_more_than_it_said(
    case: tuple[list[RowClaims], PublicReference],
) -> None:
    said, public = case
    left, over = believed_counts(said, public)
    most = public.upper_share * sum(believed_users(one, public) for one in said)
    totals = sum((dense(one, counts) for one, counts in zip(said, left, strict=True)), np.zeros(FEW_ITEMS))
    claimed = sum((dense(one, one.counts) for one in said), np.zeros(FEW_ITEMS))
    assert np.all(totals <= most * (1 + 1e-9) + 1e-9)
    assert over == [item for item in range(FEW_ITEMS) if claimed[item] > most[item]]
    for one, counts in zip(said, left, strict=True):
        assert np.all((counts >= 0) & (counts <= one.counts))
        untouched = ~np.isin(one.row_ids, over)
        assert np.array_equal(counts[untouched], one.counts[untouched])
    for item in over:  # what is there is handed out
        assert totals[item] == pytest.approx(most[item], rel=1e-9)


@given(said_by_clients())
def test_who_said_a_smaller_share_keeps_at_least_as_large_a_share_of_it(
    case: tuple[list[RowClaims], PublicReference],
) -> None:
    said, public = case
    left, over = believed_counts(said, public)
    for item in over:
        kept = []
        for one, counts in zip(said, left, strict=True):
            count = dense(one, one.counts)[item]
            if count > 0:
                kept.append((count / believed_users(one, public), dense(one, counts)[item] / count))
        kept.sort()
        assert all(more >= less - 1e-9 for (_, more), (_, less) in pairwise(kept))


@given(said_by_clients(), st.randoms())
def test_the_order_of_clients_changes_nothing(case: tuple[list[RowClaims], PublicReference], random) -> None:
    said, public = case
    order = list(range(len(said)))
    random.shuffle(order)
    left, over = believed_counts(said, public)
    turned, turned_over = believed_counts([said[at] for at in order], public)
    assert turned_over == over
    for place, at in enumerate(order):
        assert turned[place] == pytest.approx(left[at], rel=1e-9, abs=1e-9)


def test_a_cap_worked_by_hand() -> None:
    # nobody of 20 volunteers has item 0: (9/40 + 9/40) / (1 + 9/20) = 9/29 of all 40 users, so 12.4 at most
    public, most = reference([0] * FEW_ITEMS, mean_history=1.0), 40 * 9 / 29
    left, over = believed_counts([claims_of(20, {0: 11.0, 1: 1.0}), claims_of(20, {0: 12.0, 2: 1.0})], public)
    assert over == [0]
    assert [counts[0] for counts in left] == pytest.approx([most / 2] * 2)
    left, over = believed_counts([claims_of(20, {0: 1.0, 1: 9.0}), claims_of(20, {0: 20.0})], public)
    assert over == [0]
    assert [counts[0] for counts in left] == pytest.approx([1.0, most - 1])


def test_users_without_interactions_are_not_believed() -> None:
    public = reference([5] * FEW_ITEMS, mean_history=10.0)
    assert believed_users(claims_of(1000, {0: 2.0, 1: 2.0}), public) == 2.0  # five times four interactions, ten each
    assert believed_users(claims_of(3, {0: 3.0, 1: 3.0}), public) == 3.0
    assert believed_users(claims_of(3, {}), public) == 0.0


# Lengths, and both together on updates

KINDS: dict[str, dict[str, object]] = {
    "ials": {},
    "mf": {"model": "mf"},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "fused": {"model": "ncf", "variant": "fused"},
}


def honest_rounds(small: SmallFederation, kind: str, rounds: int) -> list[tuple[Model, Arrays, dict[str, Arrays]]]:
    model = model_of(Settings(factors=4, **KINDS[kind]))  # type: ignore[arg-type]
    state = model.initial_state(ITEMS, np.random.default_rng(1))
    played = []
    for _ in range(rounds):
        updates = {
            account.address: model.local_step(state, small.data.train.take(np.asarray(part)))[0]
            for account, part in zip(small.accounts, small.data.parts, strict=True)
        }
        played.append((model, state, updates))
        state = model.apply(state, model.fuse(list(updates.values()), [1.0] * len(updates)))
    return played


def caps_of(model: Model, state: Arrays, updates: dict[str, Arrays], public: PublicReference) -> RowCaps:
    return row_caps(model, {account: model.claims(update) for account, update in updates.items()}, state, public)


@pytest.mark.parametrize("kind", KINDS)
def test_honest_clients_lose_nothing(small: SmallFederation, kind: str) -> None:
    public = PublicReference.of(small.data.probe)
    for model, state, updates in honest_rounds(small, kind, 3):
        caps = caps_of(model, state, updates, public)
        assert caps.items == ()
        assert max(caps.excess.values()) == 0 < EXCESS_ALLOWED
        assert 0 < max(caps.overlong.values()) < 1 <= LONGEST_ROW
        limited = caps.limited(model, updates)
        for account, update in updates.items():
            for name, array in update.items():
                assert limited[account][name] == pytest.approx(array, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_ten_times_too_long_is_cut_to_its_bound(small: SmallFederation, kind: str) -> None:
    public = PublicReference.of(small.data.probe)
    model, state, updates = honest_rounds(small, kind, 1)[0]
    (bad, update), *_ = updates.items()
    name = next(name for name in update if name.endswith(("residual", "item_factors")))
    lengths = np.linalg.norm(update[name], axis=1)
    at = int(lengths.argmax())
    longer = update | {name: update[name] * np.where(np.arange(len(lengths)) == at, 20, 1)[:, None].astype("f")}
    caps = caps_of(model, state, updates | {bad: longer}, public)
    assert caps.overlong[bad] > 2
    assert caps.items == ()
    limited = caps.limited(model, updates | {bad: longer})
    branch = 0
    own, after = model.claims(longer)[branch], model.claims(limited[bad])[branch]
    factor = RATING_SLACK if kind == "mf" else 1.0
    bound = LengthBound(model.claims(model.local_step(state, public.histories)[0])[branch], ITEMS, factor)
    assert np.all(after.lengths <= bound.lengths(own, own.counts) * (1 + 1e-5) + 1e-9)
    assert np.array_equal(after.counts, own.counts)


def test_a_bound_grows_with_the_users_and_with_what_the_model_expects() -> None:
    public = RowClaims(
        20, np.arange(3), np.array([20.0, 1.0, 2.0]), np.zeros(3), np.array([[20, 0], [1, 0], [1, 1]], np.float32)
    )
    bound = LengthBound(public, FEW_ITEMS)
    one = claims_of(30, {0: 1.0, 1: 4.0, 5: 30.0})
    lengths = bound.lengths(one, one.counts)
    assert np.all(np.diff(lengths) > 0)
    assert lengths[0] >= 2 * np.sqrt(2) / np.sqrt(2)  # two times one user's vector at least
    assert lengths[2] <= 2 * (1 + 25 / 20) * (30 + 1.5 * np.sqrt(30))
    thousands = LengthBound(public._replace(users=2000), FEW_ITEMS)
    assert np.all(thousands.lengths(one, one.counts) < lengths)  # they know better what lengths there are


def test_colluders_that_all_push_an_item_come_to_no_more_than_is_public(small: SmallFederation) -> None:
    public = PublicReference.of(small.data.probe)
    model, state, updates = honest_rounds(small, "ials", 1)[0]
    pushed = {}
    cold = int(public.counts.argmin())
    for account, update in list(updates.items())[:3]:
        counts, users = update["counts"].copy(), int(update["users"][0])
        if cold not in update["row_ids"]:
            at = int(np.searchsorted(update["row_ids"], cold))
            pushed[account] = update | {
                "row_ids": np.insert(update["row_ids"], at, cold).astype(np.uint32),
                "counts": np.insert(counts, at, users).astype(np.uint32),
                "residual": np.insert(update["residual"], at, 0.2 * users, axis=0).astype(np.float32),
            }
        else:
            counts[update["row_ids"] == cold] = users
            pushed[account] = update | {"counts": counts}
    everybody = updates | pushed
    caps = caps_of(model, state, everybody, public)
    assert caps.items == (cold,)
    total = sum(
        one.counts[one.row_ids == cold].sum()
        for update in caps.limited(model, everybody).values()
        for one in model.claims(update)
    )
    assert total == pytest.approx(public.upper_share[cold] * 50)
    assert all(caps.excess[account] > 0 for account in pushed)
    assert all(caps.excess[account] == 0 for account in updates if account not in pushed)
