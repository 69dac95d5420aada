"""Item-kNN, PureSVD, EASE and ALS: each against its definition on small data, and how settings are chosen."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from common.data.load import load_dataset
from common.data.splits import leave_one_out
from common.data.user_items import UserItems
from experiments.baselines import als, ease, item_knn, pure_svd
from experiments.baselines.fitted import best_on_validation, interaction_matrix


def random_matrix(users, items, seed=0):
    matrix = (np.random.default_rng(seed).random((users, items)) < 0.4).astype(np.float32)
    matrix[:, 0], matrix[0] = 1, 1  # no empty row or column
    return matrix


def as_user_items(matrix):
    users, items = np.nonzero(matrix)
    ones, zeros = np.ones(len(users)), np.zeros(len(users), int)
    shape = {"user_count": matrix.shape[0], "item_count": matrix.shape[1]}
    return UserItems.from_pairs(users, items, ones, zeros, **shape)


@pytest.fixture(scope="module")
def split():
    return leave_one_out(load_dataset("ml-latest-small-2016", None), seed=1)


def test_the_matrix_has_a_one_for_each_interaction():
    matrix = random_matrix(5, 7)
    assert np.array_equal(interaction_matrix(as_user_items(matrix)).toarray(), matrix)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_ease_is_its_closed_form_whichever_gram_matrix_is_smaller(shape):
    matrix, lam = random_matrix(*shape).astype(np.float64), 3.0
    inverse = np.linalg.inv(matrix.T @ matrix + lam * np.eye(shape[1]))
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0)
    assert ease.fit(lam, as_user_items(matrix)) == pytest.approx(matrix @ weights, abs=1e-5)


def test_ease_minimises_its_loss():
    matrix, lam = random_matrix(40, 6).astype(np.float64), 2.0
    expected = np.empty_like(matrix)
    for item in range(6):  # a column without its own item is a ridge regression
        others = [other for other in range(6) if other != item]
        x = matrix[:, others]
        expected[:, item] = x @ np.linalg.solve(x.T @ x + lam * np.eye(5), x.T @ matrix[:, item])
    assert ease.fit(lam, as_user_items(matrix)) == pytest.approx(expected, abs=1e-5)


def test_pure_svd_is_the_best_approximation_of_its_rank():
    matrix = random_matrix(20, 14)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    expected = (left[:, :5] * values[:5]) @ right[:5]
    assert pure_svd.fit(5, as_user_items(matrix)) == pytest.approx(expected, abs=1e-4)


def test_item_knn_adds_up_the_cosines_to_the_items_of_a_user():
    matrix = (np.random.default_rng(3).random((211, 9)) < 0.4).astype(np.float32)
    lengths = np.linalg.norm(matrix, axis=0)
    cosines = matrix.T @ matrix / np.outer(lengths, lengths)
    assert item_knn.fit("Cosine", 9, as_user_items(matrix)) == pytest.approx(matrix @ cosines, rel=1e-5)
    assert np.diff(np.sort(cosines, axis=1)).min() > 1e-6  # no ties
    nearest = np.where(cosines >= np.sort(cosines, axis=1)[:, [-3]], cosines, 0)
    assert item_knn.fit("Cosine", 3, as_user_items(matrix)) == pytest.approx(matrix @ nearest, rel=1e-5)


@pytest.mark.parametrize("similarity", item_knn.SIMILARITIES)
def test_no_similarity_looks_at_an_item_that_shares_no_user(similarity):
    apart = np.kron(np.eye(2), np.ones((6, 4))) * random_matrix(12, 8)
    scores = item_knn.fit(similarity, 8, as_user_items(apart))
    assert not scores[:6, 4:].any()
    assert not scores[6:, :4].any()
    assert np.all(scores[:6, :4][apart[:6, :4] > 0] > 0)


def test_als_repeats_and_tells_two_groups_apart():
    train = as_user_items(np.kron(np.eye(2), random_matrix(20, 8)))
    fits = [als.fit(2, 5.0, 1.0, seed, train) for seed in (1, 1, 2)]
    assert np.array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    own, others = np.kron(np.eye(2, dtype=bool), np.ones((20, 8), bool)), np.abs(fits[0])
    assert others[own].mean() > 100 * others[~own].mean()


def test_settings_are_chosen_on_validation_items_whatever_the_test_items_say(split):
    def knows(held_out):
        scores = np.zeros((split.train.user_count, split.train.item_count), np.float32)
        users = np.flatnonzero(held_out >= 0)
        scores[users, held_out[users]] = 1
        return lambda _: scores

    grid = {"knows the test": knows(split.test), "knows the validation": knows(split.validation)}
    chosen = best_on_validation(grid, SimpleNamespace(split=split, tuning=split))
    assert chosen.setting == "knows the validation"
    assert chosen.validation.metrics["ndcg_at_10"] == 1
    assert chosen.test.metrics["ndcg_at_10"] == 0


def test_a_chosen_setting_is_fitted_again_where_validation_items_are_trained_on(split):
    final = replace(split, train=split.train.take(np.arange(split.train.user_count)))
    fitted_on = []

    def fit(train):
        fitted_on.append(train)
        return np.zeros((train.user_count, train.item_count), np.float32)

    best_on_validation({"only": fit}, SimpleNamespace(split=final, tuning=split))
    assert [train is final.train for train in fitted_on] == [False, True]
