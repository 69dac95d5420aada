from dataclasses import replace

import numpy as np
import pytest

import client.app
from common.account import development_account, save_account
from common.data.probe import PROBE_FILE, save_probe_pool
from common.models import Ials, Mf
from common.models.ncf import Ncf
from common.models.ncf_sampled import Batch
from common.update import decode_update
from launch import simulation
from launch.batched_users import BatchedUsers
from launch.preparation import committee_secret
from server.federation import save_federation
from tests.small_federation import SETTINGS, PlayedRun, prepare, rated_dataset

MODELS = {
    "ials": {},
    "mf": {"model": "mf"},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "fused": {"model": "ncf"},
    "bce": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "loss": "bce"},
    "bpr with a network": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0, "loss": "bpr"},
    "fused with bce": {"model": "ncf", "loss": "bce"},
    "neumf after ials": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 1},
    "drawn clients": {"participation": 0.5},
}


def simulated(federation, run_dir, *, batch):
    folder = federation.federation(run_dir / "coordinator")
    save_federation(folder, committee_secret(federation.settings, development=True))
    save_account(development_account(1, 0), folder.folder, development=True)
    save_probe_pool(folder.folder / PROBE_FILE, federation.data.probe)
    ledger = federation.ledger()
    simulation.simulate(
        federation.settings, folder, federation.client_dirs, ledger, run_dir, on_reply=lambda: None, batch=batch
    )
    return PlayedRun(run_dir, ledger)


def assert_close(found, wanted):
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        scale = max(1.0, float(np.max(np.abs(array), initial=0.0)))
        np.testing.assert_allclose(found[name].astype(np.float64), array, rtol=0, atol=1e-6 * scale, err_msg=name)


def counting(fold_in, calls):
    def counted(self, *given):
        calls.append(1)
        return fold_in(self, *given)

    return counted


def recording(train, replies):
    def recorded(task, *given):
        reply = train(task, *given)
        replies.append((task.server_round, reply))
        return reply

    return recorded


@pytest.mark.parametrize("name", MODELS)
def test_clients_trained_as_one_batch_send_what_they_send_one_by_one(tmp_path, monkeypatch, name):
    """The first round's updates, each from the same model, and every figure of the last; and it was a batch."""
    settings = replace(SETTINGS, **MODELS[name])
    federation = prepare(tmp_path / "clients", settings, rated_dataset())
    fitted, replies = [], []
    for kind, method in ((Ials, "fold_in"), (Mf, "fold_in"), (Ncf, "fit"), (Batch, "fitting")):
        monkeypatch.setattr(kind, method, counting(getattr(kind, method), fitted))
    monkeypatch.setattr(client.app, "train", recording(client.app.train, replies))
    apart = simulated(federation, tmp_path / "apart", batch=False)
    times_apart, replies_apart = len(fitted), replies.copy()
    replies.clear()
    together = simulated(federation, tmp_path / "together", batch=True)
    assert len(fitted) - times_apart < times_apart - settings.rounds
    first = [[reply for number, reply in sent if number == 1] for sent in (replies, replies_apart)]
    assert first[0]
    for ours, theirs in zip(*first, strict=True):
        assert ours.account == theirs.account
        assert_close(*(decode_update(reply.update_bytes).arrays for reply in (ours, theirs)))
    rows = [run.report["rounds"][-1] for run in (apart, together)]
    for figure in ("ndcg_at_10", "hit_ratio_at_10"):
        assert rows[1][figure] == pytest.approx(rows[0][figure], abs=1e-6)


def test_vectors_are_for_the_model_that_they_were_fitted_to():
    batched = BatchedUsers()
    batched.fit([])
    assert batched.vectors(object(), b"another model") is None
