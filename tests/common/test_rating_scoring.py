"""Scores of updates of a model that predicts ratings: the fall of its errors."""

from statistics import median

import numpy as np
import pytest

from common.data.load import load_dataset
from common.data.probe import draw_probe_pool
from common.models.mf import Mf
from common.probe_scoring import MeasuredShard, ShardMetrics, gain, shard_metrics, state_with_update_alone

MODEL = Mf(factors=8)
COHORT = 5


@pytest.fixture(scope="module")
def federation():
    """A shard, the training data of five clients, the states before each of three rounds, and all shards."""
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    pool, train = draw_probe_pool(interactions, 4, 200, 0.2, seed=1)
    clients = [train.take(group) for group in np.array_split(np.arange(train.user_count), COHORT)]
    states = [MODEL.initial_state(train.item_count, np.random.default_rng(1))]
    for _ in range(2):
        updates = [MODEL.local_step(states[-1], client)[0] for client in clients]
        states.append(MODEL.apply(states[-1], MODEL.fuse(updates, [1.0] * COHORT)))
    return pool[0], clients, states, pool


def gain_of(state, update, shard):
    return MeasuredShard(MODEL, state, shard).gain(state_with_update_alone(MODEL, state, update, COHORT))


def test_metrics_are_the_logarithms_of_the_errors_of_the_held_out_ratings(federation):
    shard, _, states, _ = federation
    vectors = MODEL.fold_in(states[2], shard.histories)
    errors = []
    for user, item, rating in zip(shard.held_out_users, shard.held_out_items, shard.held_out_ratings, strict=True):
        predicted = min(5.0, max(0.5, float(MODEL.scores(states[2], vectors)[user, item])))
        errors.append(float(rating) - predicted)
    measured = shard_metrics(MODEL, states[2], shard)
    assert measured.first == pytest.approx(-np.log(np.sqrt(np.mean(np.square(errors)))))
    assert measured.second == pytest.approx(-np.log(np.mean(np.abs(errors))))


def test_a_gain_is_the_share_by_which_an_error_falls_and_is_cut_to_one():
    assert gain(ShardMetrics(-np.log(0.9), 0.0), ShardMetrics(0.0, 0.0)).first == pytest.approx(0.105, abs=1e-3)
    assert gain(ShardMetrics(-50.0, 50.0), ShardMetrics(0.0, 0.0)) == ShardMetrics(-1.0, 1.0)


def test_honest_updates_gain_while_there_is_much_to_learn_and_lose_little_later(federation):
    """Alone, an update fits one client's users at the others' cost; reputations compare it with the cohort's median."""
    _, clients, states, pool = federation
    for state, least in ((states[0], 0.0), (states[1], -0.15)):
        for own in clients:
            update = MODEL.local_step(state, own)[0]
            gains = [gain_of(state, update, shard) for shard in pool]
            assert median(gain.first + gain.second for gain in gains) > least


def test_doing_nothing_gains_nothing_and_turning_round_loses(federation):
    shard, clients, states, _ = federation
    state = states[0]
    honest = MODEL.local_step(state, clients[0])[0]
    nothing = {name: array[:0] for name, array in honest.items() if name not in ("mean", "users")}
    nothing |= {"mean": np.zeros(1, np.float32), "users": honest["users"]}
    MODEL.check_update(nothing, len(state["item_bias"]))
    idle = gain_of(state, nothing, shard)
    assert (idle.first, idle.second) == (0.0, 0.0)
    turned = honest | {name: -honest[name] for name in ("item_factors", "item_bias", "mean")}
    MODEL.check_update(turned, len(state["item_bias"]))
    lost = gain_of(state, turned, shard)
    assert lost.first < -0.02
    assert lost.second < -0.02


def test_scoring_is_deterministic_and_changes_nothing(federation):
    shard, clients, states, _ = federation
    update = MODEL.local_step(states[1], clients[2])[0]
    before = {name: array.tobytes() for name, array in states[1].items()}
    scores = [gain_of(states[1], update, shard) for _ in range(2)]
    assert scores[0] == scores[1]
    assert {name: array.tobytes() for name, array in states[1].items()} == before


def test_gains_stay_within_one_whatever_the_update_does(federation):
    shard, _, states, _ = federation
    rng = np.random.default_rng(0)
    items = len(states[0]["item_bias"])
    form = MODEL.noisy_form(items, 1.0)
    wild = {name: rng.normal(0.0, 1e6, shape).astype(dtype) for name, (dtype, shape) in form.noisy.items()}
    gained = gain_of(states[2], wild | form.public, shard)
    assert -1 <= gained.first < 0
    assert -1 <= gained.second < 0
    assert all(
        np.isfinite(array).all() for array in state_with_update_alone(MODEL, states[2], wild | form.public, 5).values()
    )
