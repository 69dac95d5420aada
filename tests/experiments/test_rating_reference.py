import re

import numpy as np
import pytest

from common.data.load import load_dataset
from common.data.splits import leave_one_out
from common.models.mf import Mf
from common.rating_metrics import with_rmse
from experiments.baselines.array_rounds import measure
from experiments.baselines.ratings import biases, exact, global_mean, item_means, nobodys_vectors
from experiments.rating_reference import main

MODEL = Mf(factors=8)


@pytest.fixture(scope="module")
def split():
    return leave_one_out(load_dataset("ml-latest-small-2016", None), seed=1)


def test_the_global_mean_predicts_the_mean_of_training(split):
    state = global_mean(MODEL, split.train)
    scores = MODEL.scores(state, nobodys_vectors(state, split.train)[:2])
    np.testing.assert_allclose(scores, split.train.ratings.mean(dtype=np.float64), rtol=1e-5)


def test_item_means_are_shrunk_towards_the_mean(split):
    train = split.train
    state = item_means(MODEL, train)
    mean = train.ratings.mean(dtype=np.float64)
    of_item = train.ratings[train.items == 0].astype(np.float64)
    expected = mean + (of_item - mean).sum() / (of_item.size + MODEL.bias_regularisation)
    assert MODEL.scores(state, nobodys_vectors(state, train)[:1])[0, 0] == pytest.approx(expected, rel=1e-4)


def test_each_baseline_learns_more_than_the_one_before(split):
    train = split.train
    biased, solved = biases(MODEL, train, 5), exact(MODEL, train, 6, np.random.default_rng(1))
    assert not biased["item_factors"].any()
    rows = [(state, nobodys_vectors(state, train)) for state in (global_mean(MODEL, train), item_means(MODEL, train))]
    rows += [(state, MODEL.fold_in(state, train)) for state in (biased, solved)]
    errors = [with_rmse(measure(MODEL, state, vectors, split).validation.metrics)["rmse"] for state, vectors in rows]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(1.114, abs=0.01)
    assert errors[2] == pytest.approx(0.95, abs=0.01)


def test_the_tool_prints_a_row_for_each_method_and_number_of_rounds(capsys):
    main(["--seeds", "1", "--factors", "8", "--rounds", "1", "3", "--sweeps", "2"])
    printed = capsys.readouterr().out
    rows = dict(re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", printed, re.MULTILINE))
    assert set(rows) == {
        *("global mean", "item means", "user and item biases", "local only, 3 rounds", "exact, 2 sweeps"),
        *(f"{method}, {rounds} rounds" for method in ("federated", "central") for rounds in (1, 3)),
    }
    assert float(rows["federated, 3 rounds"]) < float(rows["federated, 1 rounds"]) < float(rows["item means"])
    assert float(rows["federated, 3 rounds"]) == pytest.approx(float(rows["central, 3 rounds"]), abs=0.002)
    assert "Mf(factors=8" in printed
