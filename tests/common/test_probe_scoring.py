import numpy as np
import pytest

from common.data.load import load_dataset
from common.data.probe import ProbeShard, draw_probe_pool
from common.models import Ials
from common.probe_scoring import MeasuredShard, ShardMetrics, shard_metrics, state_with_update_alone

MODEL = Ials(factors=8)


@pytest.fixture(scope="module")
def federation():
    """A state after one round, the updates of the next one from 20 clients, and a shard."""
    interactions = load_dataset("ml-latest-small-2016", None).interactions
    pool, train = draw_probe_pool(interactions, 1, 200, 0.2, seed=1)
    state = MODEL.initial_state(train.item_count, np.random.default_rng(1))
    clients = [train.take(group) for group in np.array_split(np.arange(train.user_count), 20)]
    updates = [MODEL.local_step(state, client)[0] for client in clients]
    return state, updates, pool[0]


def gain_of(state, update, shard):
    return MeasuredShard(MODEL, state, shard).gain(state_with_update_alone(MODEL, state, update, 20))


def slow_metrics(state, shard):
    """Sort the rivals of every pair."""
    vectors = MODEL.fold_in(state, shard.histories)
    ndcg, hits = [], []
    for user, item in zip(shard.held_out_users, shard.held_out_items, strict=True):
        scores = MODEL.scores(state, vectors)[user]
        others = set(shard.held_out_items[shard.held_out_users == user].tolist())
        rivals = set(range(len(scores))) - set(shard.histories.items_of(user).tolist()) - others
        rank = 1 + sum(not scores[rival] < scores[item] for rival in rivals)
        hits.append(rank <= 10)
        ndcg.append(1 / np.log2(rank + 1) if rank <= 10 else 0.0)
    return ShardMetrics(float(np.mean(ndcg)), float(np.mean(hits)))


def test_metrics_match_a_slow_ranking(federation):
    state, updates, shard = federation
    state = state_with_update_alone(MODEL, state, updates[0], 20)
    few = ProbeShard(
        shard.histories, *(getattr(shard, f"held_out_{name}")[:30] for name in ("users", "items", "ratings"))
    )
    measured, expected = shard_metrics(MODEL, state, few), slow_metrics(state, few)
    assert measured.first == pytest.approx(expected.first)
    assert measured.second == pytest.approx(expected.second)


def test_an_honest_update_gains_and_its_negation_does_not(federation):
    state, updates, shard = federation
    honest = gain_of(state, updates[0], shard)
    flipped = updates[0] | {"residual": -updates[0]["residual"]}
    assert honest.first > 0.01
    # the first model is symmetric under a change of sign, so compare after a round
    state = MODEL.apply(state, MODEL.fuse(updates, [1.0] * 20))
    assert gain_of(state, flipped, shard).first < -0.01


def test_scoring_is_deterministic(federation):
    state, updates, shard = federation
    assert gain_of(state, updates[0], shard) == gain_of(state, updates[0], shard)


def test_an_update_alone_is_the_step_of_a_cohort_that_agrees(federation):
    state, updates, _ = federation
    alone = state_with_update_alone(MODEL, state, updates[0], 3)
    cohort = MODEL.apply(state, MODEL.fuse([updates[0]] * 3, [1.0] * 3))
    np.testing.assert_allclose(alone["item_factors"], cohort["item_factors"], rtol=1e-5, atol=1e-6)
