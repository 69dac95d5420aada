from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.models import Arrays, Ials
from server.aggregation import fusion_shares, next_state
from server.gates import Lowered, closed_gates, gates_of, owed_scores
from server.reputation import WAD, normalise
from server.selection import Assignment
from tests.small_federation import small_dataset

MODEL = Ials(factors=4)
CLIENTS = ("0xaB", "0xb0", "0xC1")  # ascending as the ledger orders them: by bytes, not by the case of letters


@pytest.fixture(scope="module")
def state() -> Arrays:
    return MODEL.initial_state(150, np.random.default_rng(1))


@pytest.fixture(scope="module")
def updates(state: Arrays) -> dict[str, Arrays]:
    interactions = small_dataset().interactions
    parts = np.array_split(np.arange(interactions.user_count), len(CLIENTS))
    return {
        client: MODEL.local_step(state, interactions.take(part))[0] for client, part in zip(CLIENTS, parts, strict=True)
    }


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
def test_shares_are_proportional_to_weights_and_have_mean_one(weights: list[int]) -> None:
    weights_wad = {client: weight for client, weight in normalise(dict(enumerate(weights))).items() if weight}
    shares = fusion_shares(weights_wad, "reputation", sends_sums=True)  # type: ignore[arg-type]
    assert np.mean(list(shares.values())) == pytest.approx(1.0)
    total = sum(weights_wad.values())
    for client, share in shares.items():
        assert share == pytest.approx(len(shares) * weights_wad[client] / total)


def test_fedavg_adds_the_sums_of_all(state: Arrays, updates: dict[str, Arrays]) -> None:
    weights = {"0xaB": WAD // 2, "0xb0": WAD // 3, "0xC1": WAD // 6}
    made = next_state(MODEL, state, updates, weights, "fedavg")
    expected = MODEL.apply(state, MODEL.fuse([updates[client] for client in CLIENTS], [1.0] * 3))
    assert all(np.array_equal(made[name], expected[name]) for name in expected)


def test_equal_reputations_are_fedavg(state: Arrays, updates: dict[str, Arrays]) -> None:
    weights = dict.fromkeys(CLIENTS, WAD // 3)
    by_reputation, by_count = (next_state(MODEL, state, updates, weights, how) for how in ("reputation", "fedavg"))
    assert all(np.array_equal(by_reputation[name], by_count[name]) for name in by_count)


def test_who_weighs_nothing_has_no_influence(state: Arrays, updates: dict[str, Arrays]) -> None:
    weights = {"0xaB": WAD // 2, "0xb0": 0, "0xC1": WAD // 4}
    made = next_state(MODEL, state, updates, weights, "reputation")
    without = {client: update for client, update in updates.items() if client != "0xb0"}
    expected = next_state(MODEL, state, without, weights, "reputation")
    assert all(np.array_equal(made[name], expected[name]) for name in expected)


def test_without_any_weight_the_model_stays(state: Arrays, updates: dict[str, Arrays]) -> None:
    for chosen in (updates, {}):
        made = next_state(MODEL, state, chosen, dict.fromkeys(CLIENTS, 0), "reputation")
        assert all(np.array_equal(made[name], state[name]) for name in state)


class RecordingModel:
    """Remembers what it was asked to fuse; sums of so few updates are often equal in either order."""

    sends_sums = True

    def at(self, state: Arrays) -> "RecordingModel":
        return self

    def fuse(self, updates: list[Arrays], shares: list[float]) -> Arrays:
        self.fused = [(int(update["number"]), share) for update, share in zip(updates, shares, strict=True)]
        return {}

    def apply(self, state: Arrays, fused: Arrays) -> Arrays:
        return state


def test_updates_are_added_in_the_order_of_accounts_with_their_shares() -> None:
    model = RecordingModel()
    numbered = {client: {"number": np.array(number)} for number, client in enumerate(CLIENTS)}
    weights = {"0xaB": WAD // 2, "0xb0": WAD // 4, "0xC1": WAD // 4}
    for order in permutations(CLIENTS):
        next_state(model, {}, {client: numbered[client] for client in order}, weights, "reputation")  # type: ignore[arg-type]
        assert model.fused == [(0, 1.5), (1, 0.75), (2, 0.75)]


def test_the_order_in_which_updates_came_changes_no_byte(state: Arrays, updates: dict[str, Arrays]) -> None:
    weights = {"0xaB": WAD // 2, "0xb0": WAD // 3, "0xC1": WAD // 6}
    made, turned = (
        next_state(MODEL, state, {client: updates[client] for client in order}, weights, "reputation")
        for order in (CLIENTS, CLIENTS[::-1])
    )
    assert all(made[name].tobytes() == turned[name].tobytes() for name in made)


# Gates


def test_zeros_and_copies_are_closed_with_a_reason_and_the_others_are_open(updates: dict[str, Arrays]) -> None:
    first, second, third = CLIENTS
    zeros = updates[third] | {name: np.zeros_like(updates[third][name]) for name in ("residual", "gram")}
    contents = {first: b"a", second: b"b", third: b"c"}
    lowered = closed_gates(updates | {third: zeros}, contents)
    assert lowered == {third: Lowered(0, "the update is zero")}
    assert gates_of(CLIENTS, lowered, ()) == {first: WAD, second: WAD, third: 0}
    lowered = closed_gates(updates, contents | {second: b"a"})
    assert lowered == dict.fromkeys((first, second), Lowered(0, "the same bytes as another client's update"))
    assert gates_of(CLIENTS, lowered, ()) == {first: 0, second: 0, third: WAD}


def test_a_lowered_gate_leaves_its_share_and_who_owes_scores_nothing() -> None:
    first, second, third = CLIENTS
    lowered = {first: Lowered(WAD // 4, "a quarter"), second: Lowered(WAD // 2, "half")}
    assert gates_of(CLIENTS, lowered, {second: "owes"}) == {first: WAD // 4, second: 0, third: WAD}


def test_who_owes_scores_is_closed_and_told_how_many() -> None:
    first, second, third = CLIENTS
    asked = [Assignment(subject, peer, bytes(32)) for subject in CLIENTS for peer in CLIENTS if peer != subject]
    assert owed_scores(asked, dict.fromkeys(CLIENTS, 2)) == {}
    assert owed_scores(asked, {first: 2, second: 1}) == {
        second: "as a peer it gave 1 of the 2 scores that it was asked for",
        third: "as a peer it gave 0 of the 2 scores that it was asked for",
    }


def test_no_updates_need_no_gates() -> None:
    assert closed_gates({}, {}) == owed_scores([], {}) == {}


def test_fedavg_weighs_means_by_examples_and_sums_equally() -> None:
    weights_wad = {"0xA": WAD // 4, "0xB": 3 * WAD // 4}
    assert fusion_shares(weights_wad, "fedavg", sends_sums=True) == {"0xA": 1.0, "0xB": 1.0}
    assert fusion_shares(weights_wad, "fedavg", sends_sums=False) == {"0xA": 0.5, "0xB": 1.5}
