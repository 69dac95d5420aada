"""Whole runs under every compression: scored, settled, and checked from the record as any other."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.app import build_app
from client.store import ParticipantFolder
from common.config import COMPRESSIONS
from common.data.array_file import load_arrays
from common.models import model_of
from common.seeding import generator
from common.update import decode_model
from tests.small_federation import ITEMS, SETTINGS, SmallFederation, prepare, rated_dataset, with_settings

MODELS = {
    "ials": {},
    "fused": {"model": "ncf"},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "warm start": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1},
    "joined": {"model": "ncf", "variant": "neumf", "warm_start": "gmf-mlp", "warm_start_rounds": 1},
    "gmf by bce": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 1, "loss": "bce"},
    "neumf by bpr": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0, "loss": "bpr"},
    "bce with noise": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "loss": "bce", "noise": "gaussian"},
    "with noise": {"noise": "gaussian", "clipping_norm": 3.0, "noise_multiplier": 0.5},
    "dp-sgd": {"noise": "dp-sgd", "model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "batch_size": 200.0},
}


def possible(compression: str, model: str) -> bool:
    return compression != "top-rows" or not MODELS[model].keys() & {"noise", "loss"}


@pytest.mark.parametrize(
    ("compression", "model"), [(c, m) for c in COMPRESSIONS if c != "none" for m in MODELS if possible(c, m)]
)
def test_every_update_is_accepted_and_scored(
    compression: str, model: str, small: SmallFederation, tmp_path: Path
) -> None:
    settings = with_settings(small, compression=compression, **MODELS[model])
    played = small.play(tmp_path, settings=settings)
    for row in played.report["rounds"]:
        assert row["participants"] == 5
        assert len(row["gain"]) == 5
        assert not row["rejected"]
    assert played.report["ledger"]["verified"] is True


@pytest.mark.parametrize("compression", ["float16", "int8", "top-rows"])
def test_ratings_too(compression: str, tmp_path: Path) -> None:
    small = prepare(tmp_path / "clients", replace(SETTINGS, model="mf", compression=compression), rated_dataset())
    played = small.play(tmp_path / "run")
    assert [row["participants"] for row in played.report["rounds"]] == [5, 5]
    assert not [row["rejected"] for row in played.report["rounds"] if row["rejected"]]


def test_int8_leads_to_nearly_the_same_model(small: SmallFederation, tmp_path: Path) -> None:
    factors = {}
    for compression in ("none", "int8"):
        settings = with_settings(small, compression=compression, aggregation="fedavg")  # scores move weights by more
        played = small.play(tmp_path / compression, settings=settings)
        name = played.evidence(2)["next_model"]
        factors[compression] = decode_model((played.folder / "objects" / name).read_bytes()).arrays["item_factors"]
    error = np.linalg.norm(factors["int8"] - factors["none"]) / np.linalg.norm(factors["none"])
    assert 0 < error < 0.01


def test_an_update_in_another_form_than_the_run_asks_for_is_rejected(small: SmallFederation, tmp_path: Path) -> None:
    def uncompressed(message, context, app):  # type: ignore[no-untyped-def]
        message.content["round"]["compression"] = "none"
        return app(message, context)

    settings = with_settings(small, compression="int8")
    played = small.play(tmp_path, settings=settings, acts={0: uncompressed})
    (reason,) = played.reasons(1, small.accounts[0].address)
    assert reason == "counts is not in the smallest type that holds it"


def test_clients_keep_what_was_left_unsent_for_the_next_round(small: SmallFederation, tmp_path: Path) -> None:
    client_dirs = [Path(shutil.copytree(one, tmp_path / one.name)) for one in small.client_dirs]
    settings = with_settings(small, compression="top-rows")
    small.play(tmp_path / "run", settings=settings, app=build_app(), client_dirs=client_dirs)
    for client_dir in client_dirs:
        left = [load_arrays(path) for path in sorted(client_dir.glob("replies/*/round-*/carried.npz"))]
        assert len(left) == 2
        rows = len(left[0]["row_ids"])
        for kept in left:
            np.testing.assert_array_equal(kept["row_ids"], left[0]["row_ids"])
            assert kept["residual"].shape == (rows, SETTINGS.factors)
            assert np.count_nonzero(np.abs(kept["residual"]).sum(axis=1)) >= rows - max(1, round(0.25 * rows))


def test_what_was_left_unsent_is_for_later_rounds_and_the_same_rows(small: SmallFederation, tmp_path: Path) -> None:
    folder = ParticipantFolder(Path(shutil.copytree(small.client_dirs[0], tmp_path / "client")))
    model = model_of(SETTINGS)
    update, _ = model.local_step(model.initial_state(ITEMS, generator(1, "initial-model")), folder.part.train)
    unsent = {"residual": update["residual"] * np.float32(100)}
    folder.save_unsent(bytes(32), 1, update, unsent)
    assert folder.carried_rows(bytes(32), 1, update) == {}
    np.testing.assert_array_equal(folder.carried_rows(bytes(32), 2, update)["residual"], unsent["residual"])
    fewer = {name: update[name][:-1] for name in ("row_ids", "residual")}
    assert folder.carried_rows(bytes(32), 2, fewer) == {}
    assert folder.carried_rows(bytes([1]) * 32, 2, update) == {}


def test_a_sum_of_rounds_that_is_more_than_an_update_may_be_is_not_sent(small: SmallFederation, tmp_path: Path) -> None:
    client_dirs = [Path(shutil.copytree(one, tmp_path / one.name)) for one in small.client_dirs]
    settings = with_settings(small, compression="top-rows", rounds=1)
    folder = ParticipantFolder(client_dirs[0])
    model = model_of(settings)
    update, _ = model.local_step(model.initial_state(ITEMS, generator(1, "initial-model")), folder.part.train)
    run_id = small.federation(tmp_path / "run" / "coordinator").new_run_id(settings, small.ledger().run_count())
    too_much = {"residual": np.full_like(update["residual"], 1e6)}
    folder.save_unsent(run_id, 0, update, too_much)
    played = small.play(tmp_path / "run", settings=settings, app=build_app(), client_dirs=client_dirs)
    assert played.report["rounds"][0]["participants"] == 5
