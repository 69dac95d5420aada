"""Whole runs of matrix factorization of ratings: scored by the fall of errors, settled, and more accurate for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from client.store import ParticipantFolder
from client.training import local_metrics
from common.data.user_items import NO_ITEM
from common.models import model_of
from common.rating_metrics import predicted_ratings
from common.update import decode_model
from server.run_folder import RunFolder
from tests.small_federation import SETTINGS, PlayedRun, SmallFederation, prepare, rated_dataset, with_settings

ROUNDS = 4


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    folder = tmp_path_factory.mktemp("rated")
    federation = prepare(folder / "participants", SETTINGS, rated_dataset())
    return SmallFederation(
        with_settings(federation, model="mf", rounds=ROUNDS),
        federation.data,
        federation.accounts,
        federation.client_dirs,
    )


@pytest.fixture(scope="module")
def played(rated: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return rated.play(tmp_path_factory.mktemp("run"))


def test_a_run_lowers_the_errors_and_settles(rated: SmallFederation, played: PlayedRun) -> None:
    rows = played.report["rounds"]
    settings = rated.settings
    model = model_of(settings)
    users = rated.data.split.test != NO_ITEM
    untrained = model.initial_state(rated.data.train.item_count, np.random.default_rng(0))
    vectors = model.fold_in(untrained, rated.data.train)
    scores = model.scores(untrained, vectors)[users, rated.data.split.test[users]]
    errors = rated.data.split.test_ratings[users] - predicted_ratings(scores, (0.5, 5.0))
    assert rows[0]["rmse"] < np.sqrt(np.mean(errors**2))
    assert rows[-1]["validation_rmse"] < rows[0]["validation_rmse"]
    assert played.report["final"]["rmse"] == rows[-1]["rmse"]
    assert played.report["final"]["mae"] == rows[-1]["mae"] < rows[-1]["rmse"]
    assert all(not row["rejected"] and len(row["gain"]) == 5 for row in rows)
    assert played.report["ledger"]["verified"] is True


def test_honest_updates_gain_and_nobody_is_starved(played: PlayedRun) -> None:
    rows = played.report["rounds"]
    assert min(rows[0]["gain"].values()) > 0
    assert all(abs(gain) < 1 for row in rows for gain in row["gain"].values())
    assert min(rows[-1]["weight"].values()) > 0.1


def test_the_reported_error_is_that_of_all_users_at_once(rated: SmallFederation, played: PlayedRun) -> None:
    model = model_of(rated.settings)
    name = json.loads(RunFolder(played.folder).get_evidence(ROUNDS))["next_model"]
    state = decode_model((played.folder / "objects" / name).read_bytes()).arrays
    split = rated.data.split
    scores = model.scores(state, model.fold_in(state, rated.data.train))
    for held_out, ratings, prefix in (
        (split.test, split.test_ratings, ""),
        (split.validation, split.validation_ratings, "validation_"),
    ):
        users = np.flatnonzero(held_out != NO_ITEM)
        errors = ratings[users] - predicted_ratings(scores[users, held_out[users]], (0.5, 5.0))
        row = played.report["rounds"][-1]
        assert row[f"{prefix}rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
        assert row[f"{prefix}mae"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)


def test_clients_send_squared_errors_beside_the_ranking(rated: SmallFederation) -> None:
    folder = ParticipantFolder(rated.client_dirs[0])
    model = model_of(rated.settings)
    state = model.initial_state(rated.data.train.item_count, np.random.default_rng(0))
    figures = local_metrics(model, state, model.fold_in(state, folder.part.train), folder.part)
    assert {"test_mse", "test_mae", "validation_mse", "validation_mae", "test_ndcg_at_10"} <= set(figures)
    assert "test_rmse" not in figures


def test_a_run_with_noise_is_scored_and_settled(rated: SmallFederation, tmp_path: Path) -> None:
    noise = {"noise": "gaussian", "clipping_norm": 1.0, "noise_multiplier": 0.5}
    report = rated.play(tmp_path, settings=with_settings(rated, **noise, rounds=2)).report
    assert all(row["participants"] == 5 and not row["rejected"] for row in report["rounds"])
    assert np.isfinite(report["final"]["rmse"])
