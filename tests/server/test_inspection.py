"""A round's updates beside each other, the round before and what is public, on the updates of real clients."""

import numpy as np
import pytest

from common.config import Settings
from common.models import Arrays, model_of
from server.gates import (
    AGAINST_AGGREGATE,
    CONTRADICTED,
    FAINT,
    LAST_AGGREGATE,
    LATE_COPY,
    NEAR_COPY,
    OVERLONG,
    SAME_BYTES,
    ZERO_UPDATE,
)
from server.inspection import Inspection, LastRound, inspect_updates
from server.public_reference import PublicReference
from server.reputation import WAD
from tests.small_federation import ITEMS, SmallFederation

SEED = bytes(range(32))
SETTINGS = Settings(factors=4)
Played = tuple[Arrays, dict[str, Arrays], LastRound]


def played(small: SmallFederation, settings: Settings, rounds: int = 2) -> Played:
    """The state that is sent in the last of these rounds, what clients answer, and what the round before left."""
    model = model_of(settings)
    state, last = model.initial_state(ITEMS, np.random.default_rng(1)), LastRound({}, {})
    for server_round in range(1, rounds + 1):
        updates = {
            account.address: model.local_step(state, small.data.train.take(np.asarray(part)))[0]
            for account, part in zip(small.accounts, small.data.parts, strict=True)
        }
        if server_round < rounds:
            last = LastRound(updates, dict.fromkeys(updates, WAD // 5))
            state = model.apply(state, model.at(state).fuse(list(updates.values()), [1.0] * 5))
    return state, updates, last


@pytest.fixture(scope="module")
def reference(small: SmallFederation) -> PublicReference:
    return PublicReference.of(small.data.probe)


@pytest.fixture(scope="module")
def second_round(small: SmallFederation) -> Played:
    return played(small, SETTINGS)


def looked_at(
    state: Arrays,
    updates: dict[str, Arrays],
    last: LastRound | None,
    reference: PublicReference,
    settings: Settings = SETTINGS,
) -> Inspection:
    contents = {
        account: repr(sorted((n, a.tobytes()) for n, a in update.items())).encode()
        for account, update in updates.items()
    }
    return inspect_updates(settings, state, updates, contents, reference, last, SEED)


def reasons(seen: Inspection) -> dict[str, str]:
    return {account: lowered.reason for account, lowered in seen.lowered.items()}


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"model": "mf"},
        {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
        {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
        {"model": "ncf", "variant": "fused"},
        {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1},
        {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "loss": "bce"},
    ],
    ids=str,
)
@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_honest_clients_are_left_alone(
    small: SmallFederation, reference: PublicReference, kind: dict[str, object], rounds: int
) -> None:
    settings = Settings(factors=4, **kind)  # type: ignore[arg-type]
    state, updates, last = played(small, settings, rounds)
    seen = looked_at(state, updates, last if rounds > 1 else None, reference, settings)
    assert reasons(seen) == {}
    assert seen.capped_items == ()


def mixed(one: Arrays, other: Arrays, share: float) -> Arrays:
    """A copy with a little of something else in it."""
    return one | {"residual": one["residual"] + np.float32(share) * np.resize(other["residual"], one["residual"].shape)}


def test_what_each_gate_is_for_is_closed_with_its_reason(
    small: SmallFederation, reference: PublicReference, second_round: Played
) -> None:
    state, updates, last = second_round
    first, second, third, *_ = updates
    cases = {
        ZERO_UPDATE: {
            first: updates[first] | {name: np.zeros_like(updates[first][name]) for name in ("residual", "gram")}
        },
        SAME_BYTES: {first: updates[second]},
        NEAR_COPY: {first: mixed(updates[second], updates[third], 1e-3)},
        LATE_COPY: {first: mixed(last.updates[second], updates[third], 1e-3)},
        FAINT: {first: updates[first] | {"residual": updates[first]["residual"] / 10}},
        AGAINST_AGGREGATE: {first: updates[first] | {"residual": -updates[first]["residual"]}},
        OVERLONG: {first: updates[first] | {"residual": 20 * updates[first]["residual"]}},
        LAST_AGGREGATE: {first: model_of(SETTINGS).fuse(list(last.updates.values()), [0.2] * 5)},
    }
    for reason, changed in cases.items():
        found = reasons(looked_at(state, updates | changed, last, reference))
        assert found.get(first) == reason, reason
        shared = {first, second} if reason in (SAME_BYTES, NEAR_COPY) else {first}
        assert set(found) == shared, reason


def test_clients_that_say_together_what_cannot_be_lose_their_gates_and_nobody_else_does(
    small: SmallFederation, reference: PublicReference, second_round: Played
) -> None:
    state, updates, last = second_round
    colluders = list(updates)[:2]
    boasts = {a: updates[a] | {"counts": np.full_like(updates[a]["counts"], updates[a]["users"][0])} for a in colluders}
    seen = looked_at(state, updates | boasts, last, reference)
    assert reasons(seen) == dict.fromkeys(colluders, CONTRADICTED)
    assert seen.capped_items
    assert list(seen.capped_items) == sorted(set(seen.capped_items))


@pytest.mark.parametrize("changed", [{"noise": "gaussian", "clipping_norm": 3.0}, {"defence": "scores"}])
def test_noise_leaves_two_gates_and_the_papers_defence_none(
    small: SmallFederation, reference: PublicReference, second_round: Played, changed: dict[str, object]
) -> None:
    state, updates, last = second_round
    first, third = list(updates)[:2]
    zeros = updates[third] | {name: np.zeros_like(updates[third][name]) for name in ("residual", "gram")}
    faint = updates[first] | {"residual": updates[first]["residual"] / 100}
    settings = Settings(factors=4, **changed)  # type: ignore[arg-type]
    seen = looked_at(state, updates | {first: faint, third: zeros}, last, reference, settings)
    assert seen.caps is None
    assert reasons(seen) == ({third: ZERO_UPDATE} if settings.defence == "full" else {})


def test_a_round_without_updates_has_nothing_to_look_at(reference: PublicReference, second_round: Played) -> None:
    state, _, last = second_round
    seen = looked_at(state, {}, last, reference)
    assert (seen.lowered, seen.caps, seen.capped_items) == ({}, None, ())
