"""Robust fusion: what each rule promises, on real updates of every kind of model and on numbers worked by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

from common.config import AGGREGATIONS, Settings
from common.models import Arrays, Ials, Model, model_of
from server.aggregation import fusion_weights, next_state
from server.reputation import WAD
from server.robust_fusion import (
    ROBUST_RULES,
    TOLERATED_SHARE,
    coordinate_median,
    krum,
    multi_krum,
    norm_clipping,
    robust_fusion,
    trimmed_mean,
    typical_update,
    withstood_by_krum,
)
from server.settlement import Judgement
from tests.small_federation import small_dataset

GMF = {"model": "ncf", "variant": "gmf"}
MODELS = {
    "ials": model_of(Settings(factors=4)),
    "gmf": model_of(Settings(factors=4, **GMF)),  # type: ignore[arg-type]
    "gmf with bce": model_of(Settings(factors=4, **GMF, loss="bce")),  # type: ignore[arg-type]
    "fused": model_of(Settings(factors=4, model="ncf", variant="fused")),
    "mf": model_of(Settings(factors=4, model="mf")),
    "dp-sgd": model_of(Settings(factors=4, **GMF, noise="dp-sgd")),  # type: ignore[arg-type]
}
RULES = list(ROBUST_RULES)


def begun(model: Model, clients: int = 5) -> tuple[Arrays, list[Arrays]]:
    interactions = small_dataset().interactions
    state = model.initial_state(interactions.item_count, np.random.default_rng(1))
    parts = np.array_split(np.arange(interactions.user_count), clients)
    return state, [model.local_step(state, interactions.take(part))[0] for part in parts]


def distance(one: Arrays, other: Arrays) -> float:
    return max(float(np.abs(one[name].astype(float) - other[name]).max(initial=0)) for name in one)


def after(model: Model, state: Arrays, updates: list[Arrays], rule: str) -> Arrays:
    return model.apply(state, robust_fusion(model.at(state), updates, rule))


def test_the_rules_are_those_of_the_settings() -> None:
    assert set(ROBUST_RULES) == set(AGGREGATIONS) - {"reputation", "fedavg"}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", MODELS)
def test_where_all_clients_send_the_same_a_rule_changes_nothing(kind: str, rule: str) -> None:
    model = MODELS[kind]
    state, updates = begun(model)
    same = [updates[0]] * 5
    plain = model.apply(state, model.fuse(same, [1.0] * 5))
    assert distance(after(model, state, same, rule), plain) < 1e-5
    assert distance(plain, state) > 1e-4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", MODELS)
def test_the_order_of_clients_changes_nothing(kind: str, rule: str) -> None:
    model = MODELS[kind]
    state, updates = begun(model)
    turned = [updates[k] for k in (3, 0, 4, 2, 1)]
    assert distance(after(model, state, updates, rule), after(model, state, turned, rule)) < 1e-5


@pytest.mark.parametrize("rule", RULES)
def test_a_sum_counts_by_what_it_is_per_user(rule: str) -> None:
    """A client of twice the users, each of them there twice, counts as the one that it doubles."""
    model = MODELS["ials"]
    state, updates = begun(model)
    doubled = {name: array if name == "row_ids" else array * 2 for name, array in updates[1].items()}
    replaced = [updates[0], doubled, *updates[2:]]
    assert distance(after(model, state, updates, rule), after(model, state, replaced, rule)) < 1e-5


# Outliers


@given(
    honest=numpy_arrays(np.float64, (5, 3), elements=st.floats(-1e6, 1e6)),
    hostile=numpy_arrays(np.float64, (2, 3), elements=st.floats(-1e12, 1e12)),
)
@pytest.mark.parametrize("rule", [coordinate_median, trimmed_mean])
def test_fewer_than_half_leave_each_number_within_the_range_of_the_others(
    rule: Callable[..., Arrays], honest: Any, hostile: Any
) -> None:
    assert 2 <= int(TOLERATED_SHARE * 7) < 7 / 2
    found = rule({"x": np.concatenate((honest, hostile))}, ["x"])["x"]
    assert np.all(found >= honest.min(axis=0) - 1e-9)
    assert np.all(found <= honest.max(axis=0) + 1e-9)


@pytest.mark.parametrize("rule", [coordinate_median, trimmed_mean])
@pytest.mark.parametrize("kind", MODELS)
def test_two_clients_of_five_cannot_drag_an_update_out_of_the_others_range(
    kind: str, rule: Callable[..., Arrays]
) -> None:
    model = MODELS[kind]
    _, updates = begun(model)
    attacked = [
        {name: array if name.endswith("row_ids") else array * size for name, array in update.items()}
        for update, size in zip(updates[3:], (1e6, 1e3), strict=True)
    ]
    least, most = (
        typical_update(model, updates[:3] + attacked, lambda stacked, names, of=of: {
            name: of(sent[:3], axis=0) for name, sent in stacked.items()
        })
        for of in (np.min, np.max)
    )  # fmt: skip
    typical = typical_update(model, updates[:3] + attacked, rule)
    for name in set(typical) - {"row_ids", "ials/row_ids", "gmf/row_ids"}:
        slack = 1e-6 * np.abs(most[name]).max(initial=0)
        assert np.all(typical[name] >= least[name] - slack), name
        assert np.all(typical[name] <= most[name] + slack), name


@given(numpy_arrays(np.float64, (7, 6), elements=st.floats(-1, 1)), st.floats(100, 1e9), st.integers(0, 6))
def test_krum_picks_an_honest_update(sent: Any, far: float, first: int) -> None:
    hostile = [first, (first + 3) % 7]
    sent[hostile] = far * np.array([[1.0], [-3.0]])
    picked = krum({"x": sent}, ["x"])["x"]
    assert any(np.array_equal(picked, sent[k]) for k in range(7) if k not in hostile)
    assert np.abs(multi_krum({"x": sent}, ["x"])["x"]).max() <= 1


@given(numpy_arrays(np.float64, (7, 3), elements=st.floats(-1, 1)), st.floats(100, 1e12))
def test_clipped_outliers_are_as_long_as_the_median_client(sent: Any, far: float) -> None:
    sent[5:] = far
    median = float(np.median(np.linalg.norm(sent, axis=1)))
    clipped = norm_clipping({"x": sent}, ["x"])["x"]
    honest = sum(row * min(1.0, median / max(float(np.linalg.norm(row)), 1e-300)) for row in sent[:5])
    assert clipped == pytest.approx((honest + 2 * median / np.sqrt(3)) / 7, abs=1e-9)


def test_an_update_of_zeros_is_not_divided_by_its_length() -> None:
    assert norm_clipping({"x": np.zeros((3, 2))}, ["x"])["x"].tolist() == [0, 0]


def test_krum_withstands_fewer_than_half_of_the_others() -> None:
    assert [withstood_by_krum(clients) for clients in (1, 2, 5, 7, 10, 50)] == [0, 0, 1, 2, 3, 20]


# By hand


def test_hand_worked_rules() -> None:
    line = {"x": np.array([[0.0], [1.0], [2.0], [4.0], [100.0]]), "counts": np.array([5.0, 6, 7, 8, 900])}
    assert coordinate_median(line, ["x"])["x"].tolist() == [2]
    assert coordinate_median({"x": line["x"][:4]}, ["x"])["x"].tolist() == [1.5]
    assert trimmed_mean(line, ["x"])["x"].tolist() == [2]  # two of five cut off at either end
    assert trimmed_mean({"x": line["x"][:4]}, ["x"])["x"].tolist() == [1.5]
    # f = 1, so 5 - 1 - 2 = 2 neighbours: squared distances of 1 + 4, 1 + 1, 1 + 4, 4 + 9 and 96^2 + 98^2
    assert krum(line, ["x"])["x"].tolist() == [1]
    assert multi_krum(line, ["x"])["x"].tolist() == [(0 + 1 + 2 + 4) / 4]
    assert multi_krum(line, ["x"])["counts"] == (5 + 6 + 7 + 8) / 4
    clipped = norm_clipping(line, ["x"])  # the median length is 2
    assert clipped["x"].tolist() == [(0 + 1 + 2 + 2 + 2) / 5]
    assert clipped["counts"] == (5 + 6 + 7 + 8 + 900) / 5


def test_a_row_that_a_client_does_not_send_is_zero() -> None:
    def update(row_ids: list[int], rows: list[float], gram: float, users: int) -> Arrays:
        return {
            "row_ids": np.array(row_ids, np.uint32),
            "residual": np.array(rows, np.float32)[:, None],
            "counts": np.ones(len(rows), np.uint32),
            "gram": np.array([[gram]]),
            "users": np.array([users], np.uint32),
        }

    updates = [update([1, 4], [1, 2], 10, 1), update([1], [10], 40, 2), update([1, 9], [3, 6], 90, 1)]
    typical = typical_update(Ials(factors=1), updates, coordinate_median)
    assert typical["row_ids"].tolist() == [1, 4, 9]
    assert typical["residual"].ravel().tolist() == [3, 0, 0]  # of 1, 10 / 2 and 3
    assert typical["counts"].tolist() == [1, 0, 0]
    assert typical["gram"].item() == 20
    assert typical["users"].tolist() == [1]


def test_an_item_that_only_attackers_push_does_not_follow_them() -> None:
    model = MODELS["ials"]
    _, updates = begun(model)
    cold = int(np.setdiff1d(np.arange(150), updates[0]["row_ids"])[0])
    rows = np.union1d(updates[0]["row_ids"], [cold]).astype(np.uint32)
    at = np.searchsorted(rows, updates[0]["row_ids"])
    pushed = updates[0] | {"row_ids": rows, "residual": np.zeros((len(rows), 4), np.float32)}
    pushed["counts"] = np.zeros(len(rows), np.uint32)
    pushed["residual"][at], pushed["counts"][at] = updates[0]["residual"], updates[0]["counts"]
    pushed["residual"][np.searchsorted(rows, cold)] = 50.0
    pushed["counts"][np.searchsorted(rows, cold)] = 10
    together = [*[updates[0]] * 5, pushed, pushed]
    undefended = model.fuse(together, [1.0] * 7)
    assert np.all(undefended["residual"][undefended["row_ids"] == cold] == 100)
    for rule in ("median", "trimmed-mean", "krum", "multi-krum"):
        fused = robust_fusion(model, together, rule)
        assert np.all(fused["residual"][fused["row_ids"] == cold] == 0)


# In a round


def judgement(gate_wad: int, weight_wad: int) -> Judgement:
    return Judgement(0, WAD, gate_wad, 0, weight_wad, 0)


def test_who_has_earned_no_weight_is_fused_and_who_is_gated_is_not() -> None:
    judgements = {"0xA": judgement(WAD, WAD), "0xB": judgement(WAD, 0), "0xC": judgement(0, 0)}
    assert fusion_weights(judgements, "reputation") == {"0xA": WAD, "0xB": 0, "0xC": 0}
    weights = fusion_weights(judgements, "median")
    assert weights == {"0xA": WAD, "0xB": WAD, "0xC": 0}
    model = MODELS["ials"]
    state, updates = begun(model, 3)
    by_account = dict(zip(judgements, updates, strict=True))
    made = next_state(model, state, by_account, weights, "median")
    assert distance(made, after(model, state, updates[:2], "median")) == 0
    closed = next_state(model, state, by_account, dict.fromkeys(by_account, 0), "median")
    assert distance(closed, state) == 0


@pytest.mark.parametrize("rule", RULES)
def test_few_clients_are_enough_for_every_rule(rule: str) -> None:
    model = MODELS["ials"]
    state, updates = begun(model)
    for clients in (1, 2, 3):
        made = after(model, state, updates[:clients], rule)
        assert all(np.all(np.isfinite(array)) for array in made.values())
