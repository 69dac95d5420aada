"""The evaluator against two others: one that sorts every user's list, and trec_eval on the same ranking."""

from unittest.mock import patch

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.evaluation import main, plainly, quickly
from common.data.splits import Split
from common.data.user_items import NO_ITEM, UserItems
from common.metrics import CUTOFFS
from experiments.baselines.fitted import ScoreTable


def random_split(rng, users, items, candidate_count):
    """Known, held-out and candidate items as a split has them, some users with nothing held out."""
    indptr, known, held_out, candidates = [0], [], [], []
    for _ in range(users):
        order = rng.permutation(items)
        own = rng.integers(0, items // 3)
        known += sorted(order[:own].tolist())
        indptr.append(len(known))
        missing = rng.random(2) < 0.2
        held_out.append([NO_ITEM if absent else order[own + place] for place, absent in enumerate(missing)])
        # a published list may hold the held-out item itself, and items that the user has
        candidates.append(rng.permutation(items)[:candidate_count])
    train = UserItems(
        np.array(indptr, np.int64),
        np.array(known, np.int32),
        np.ones(len(known), np.float32),
        np.zeros(len(known), np.int64),
        items,
    )
    validation, test = np.array(held_out, np.int32).T
    nothing = np.full(users, np.nan, np.float32)
    return Split(train, validation.copy(), test.copy(), np.array(candidates, np.int32), nothing, nothing)


@given(seed=st.integers(0, 2**32), values=st.sampled_from([2, 5, 1000]), group=st.sampled_from([1, 3, 256]))
@settings(max_examples=60)
def test_every_metric_is_that_of_a_sorted_list(seed, values, group):
    rng = np.random.default_rng(seed)
    split = random_split(rng, users=7, items=40, candidate_count=15)
    split.test[0] = max(split.test[0], 0)
    scores = rng.integers(0, values, (7, 40)).astype(np.float32)
    scores[scores == values - 1] = np.inf
    with patch("common.evaluation.USERS_SCORED_TOGETHER", group):
        assert quickly(ScoreTable(), {}, scores, split).metrics == plainly(ScoreTable(), {}, scores, split)


def test_the_metrics_are_those_of_trec_eval_on_the_same_rankings():
    rng = np.random.default_rng(1)
    split = random_split(rng, users=300, items=400, candidate_count=99)
    # no ties, about which the two have different rules
    scores = np.argsort(rng.random((300, 400)), axis=1).astype(np.float32)
    measured = quickly(ScoreTable(), {}, scores, split)
    relevant, sampled, full = {}, {}, {}
    for user in np.flatnonzero(split.test != NO_ITEM).tolist():
        own = int(split.test[user])
        known = {*split.train.items_of(user).tolist(), int(split.validation[user])}
        relevant[str(user)] = {str(own): 1}
        sampled[str(user)] = {str(item): float(scores[user, item]) for item in {*split.candidates[user].tolist(), own}}
        full[str(user)] = {str(item): float(scores[user, item]) for item in set(range(400)) - known}
    cutoffs = ",".join(map(str, CUTOFFS))
    wanted = {f"ndcg_cut.{cutoffs}", f"recall.{cutoffs}", f"map_cut.{cutoffs}"}
    for prefix, run in (("", sampled), ("full_", full)):
        judged = pytrec_eval.RelevanceEvaluator(relevant, wanted).evaluate(run)
        assert len(judged) == measured.users > 200
        for k in CUTOFFS:
            for ours, theirs in (("hit_ratio", "recall"), ("ndcg", "ndcg_cut"), ("map", "map_cut")):
                mean = np.mean([figures[f"{theirs}_{k}"] for figures in judged.values()])
                assert measured.metrics[f"{prefix}{ours}_at_{k}"] == pytest.approx(mean, abs=1e-9), (prefix, ours, k)


def test_the_benchmark_prints_a_row_with_both_ways(capsys):
    main(["--models", "iALS, 64 factors"])
    out = capsys.readouterr().out
    assert "671 users, 9066 items" in out
    row = out.splitlines()[-1].strip("| ").split(" | ")
    assert row[0] == "iALS, 64 factors"
    assert float(row[2]) < float(row[3])
