from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.config import Settings
from common.data.probe import ProbeShard, draw_probe_pool, public_histories
from common.models import Arrays, model_of
from common.models.pretraining import pretrained
from common.seeding import generator
from server.initial_model import initial_model
from tests.small_federation import ITEMS, prepare, rated_dataset

KINDS: dict[str, dict[str, Any]] = {
    "ials": {},
    "mf": {"model": "mf"},
    "fused": {"model": "ncf"},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "mlp": {"model": "ncf", "variant": "mlp"},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "neumf by bce": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0, "loss": "bce"},
    "gmf by bpr": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "loss": "bpr", "item_optimizer": "avgm"},
    "ials first": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 2},
    "gmf and mlp first": {"model": "ncf", "variant": "neumf", "warm_start": "gmf-mlp", "warm_start_rounds": 2},
    "dp-sgd": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "noise": "dp-sgd"},
}
SHARDS, _ = draw_probe_pool(rated_dataset().interactions, 3, 60, 0.5, 1)
PUBLIC = public_histories(SHARDS)


def asked(kind: str, rounds: int) -> Settings:
    return Settings(**({"factors": 4, "pretraining_rounds": rounds} | KINDS[kind]))


def own_rounds(kind: str, rounds: int) -> tuple[Arrays, Arrays]:
    """W_0 as drawn, and what the model's local step and server step make of it on the public histories."""
    settings = asked(kind, 0)
    whole = model_of(settings)
    drawn = state = whole.initial_state(ITEMS, generator(settings.seed, "initial-model"))
    phase = whole.at(drawn)
    for _ in range(rounds):
        state = state | phase.apply(state, phase.fuse([phase.local_step(state, PUBLIC)[0]], [1.0]))
    return drawn, state


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_models_own_rounds_on_the_public_histories_with_a_fresh_optimiser(kind: str) -> None:
    drawn, trained = own_rounds(kind, 3)
    found = initial_model(asked(kind, 3), ITEMS, SHARDS)
    assert found.keys() == drawn.keys()
    for name, array in found.items():
        assert (array.dtype, array.shape) == (drawn[name].dtype, drawn[name].shape)
        learnt = name.rpartition("/")[2] in ("item_factors", "item_bias", "network", "mean")
        np.testing.assert_array_equal(array, (trained if learnt else drawn)[name])
    moved = [name for name in found if not np.array_equal(found[name], drawn[name])]
    assert any(name.endswith("item_factors") for name in moved)
    assert all(np.isfinite(array).all() for array in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_public_data_give_the_same_bytes(kind: str) -> None:
    once, again = (initial_model(asked(kind, 2), ITEMS, SHARDS) for _ in range(2))
    assert all(once[name].tobytes() == again[name].tobytes() for name in once)


@pytest.mark.parametrize("kind", ["ials first", "gmf and mlp first"])
def test_the_rounds_of_a_warm_start_are_all_still_to_come(kind: str) -> None:
    found = initial_model(asked(kind, 5), ITEMS, SHARDS)
    assert found["rounds_left"].tolist() == [2]


def test_without_rounds_the_pool_is_not_looked_at() -> None:
    drawn, _ = own_rounds("ials", 0)
    found = initial_model(asked("ials", 0), ITEMS, ())
    assert all(np.array_equal(found[name], drawn[name]) for name in drawn)
    assert pretrained(model_of(asked("ials", 0)), drawn, PUBLIC, 0).keys() == drawn.keys()


def test_the_held_out_pairs_are_not_among_the_public_histories() -> None:
    start = 0
    for shard in SHARDS:
        assert not PUBLIC.contains(start + shard.held_out_users, shard.held_out_items).any()
        start += shard.histories.user_count
    assert PUBLIC.user_count == start


def test_other_held_out_pairs_do_not_change_the_model() -> None:
    expected = initial_model(asked("ials", 2), ITEMS, SHARDS)
    others = []
    for shard in SHARDS:
        unknown = np.setdiff1d(np.arange(ITEMS, dtype=np.int32), shard.histories.items_of(0))[:3]
        others.append(ProbeShard(shard.histories, np.zeros(3, np.int32), unknown, np.ones(3, np.float32)))
    found = initial_model(asked("ials", 2), ITEMS, others)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_every_public_history_is_a_users_training_items_and_nothing_else(tmp_path: Path) -> None:
    """Training items alone: what that user is measured by, and what peers score by, has been taken out of them."""
    data = prepare(tmp_path).data
    public, split = public_histories(data.probe), data.split
    users_of = {tuple(data.train.items_of(user).tolist()): user for user in range(data.train.user_count)}
    for row in range(public.user_count):
        items = public.items_of(row).tolist()
        user = users_of[tuple(items)]
        assert {split.validation[user], split.test[user]}.isdisjoint(items)


def test_settings_ask_for_a_random_start_unless_told() -> None:
    assert Settings().pretraining_rounds == 0
