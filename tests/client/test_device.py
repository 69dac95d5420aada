"""Where a client trains: what its machine's owner chose reaches the local step, and nothing else."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict

import common.models.on_device
from client.app import CLIENT_DIR, build_app
from client.store import ParticipantFolder
from client.training import train
from common.device import DEVICE_VARIABLE
from common.errors import WrongUse
from common.models import model_of
from common.models.ncf_device import DeviceNcf
from common.seeding import generator
from common.update import Packed, decode_update, encode_model
from common.wire import train_content
from launch.in_process_grid import InProcessGrid
from tests.small_federation import ITEMS, SETTINGS


@pytest.fixture
def ncf_task(task):
    """The same round of a run of two branches, uncompressed."""
    settings = replace(SETTINGS, model="ncf", compression="none")
    model = model_of(settings)
    state = model.initial_state(ITEMS, generator(1, "initial-model"))
    return replace(task, settings=settings, model_bytes=encode_model(Packed(model.name, ITEMS, state)))


def test_a_client_whose_device_is_a_gpu_sends_what_it_sends_from_the_processor(small, tmp_path, ncf_task, monkeypatch):
    """There is none here: the step for it runs by torch on the processor."""
    twin = shutil.copytree(small.client_dirs[0], tmp_path / "twin")
    moved, of = [], DeviceNcf.of
    monkeypatch.setattr(common.models.on_device, "resolved", lambda _: "cuda")
    monkeypatch.setattr(DeviceNcf, "of", lambda ncf, device: moved.append(device) or of(ncf, "cpu"))
    there = train(ncf_task, 1, ParticipantFolder(small.client_dirs[0]), "auto")
    assert moved == ["cuda"]
    monkeypatch.setattr(common.models.on_device, "resolved", lambda _: "cpu")
    here = train(ncf_task, 1, ParticipantFolder(twin), "auto")
    assert moved == ["cuda"]
    found, wanted = (decode_update(reply.update_bytes).arrays for reply in (there, here))
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        scale = max(1.0, float(np.abs(array).max(initial=0.0)))
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-5 * scale)
    assert there.metrics == pytest.approx(here.metrics, abs=1e-3)


@pytest.mark.parametrize("from_environment", [True, False])
def test_the_app_asks_for_the_device_that_was_chosen(small, ncf_task, monkeypatch, from_environment):
    asked = []

    def refuse(choice):
        asked.append(choice)
        raise WrongUse("not here")

    monkeypatch.setattr(common.models.on_device, "resolved", refuse)
    if from_environment:
        monkeypatch.setenv(DEVICE_VARIABLE, "cuda")
    app = build_app() if from_environment else build_app(device="cuda")
    InProcessGrid(app, small.client_dirs, on_reply=lambda: None)  # messages can be made only beside a grid
    message = Message(train_content(ncf_task), dst_node_id=2, message_type="train")
    context = Context(1, 2, {CLIENT_DIR: str(small.client_dirs[0])}, RecordDict(), {})
    with pytest.raises(WrongUse, match="not here"):
        app(message, context)
    assert asked == ["cuda"]


def test_a_model_without_such_a_step_asks_for_no_device(small, task, monkeypatch):
    monkeypatch.setattr(common.models.on_device, "resolved", None)
    train(task, 1, ParticipantFolder(small.client_dirs[0]), "cuda")
