"""Fixtures for the tests of a client: a small federation whose folders keep their replies."""

from pathlib import Path

import pytest

from client.store import ParticipantFolder
from common.commitment import SigningDomain
from common.models import model_of
from common.seeding import generator
from common.update import Packed, encode_model
from common.wire import RoundTask
from tests.small_federation import ITEMS, SETTINGS, SmallFederation, prepare


@pytest.fixture
def small(tmp_path: Path) -> SmallFederation:
    return prepare(tmp_path / "participants")


@pytest.fixture
def folder(small: SmallFederation) -> ParticipantFolder:
    return ParticipantFolder(small.client_dirs[0])


@pytest.fixture
def task() -> RoundTask:
    """Round 1 of a run."""
    model = model_of(SETTINGS)
    state = model.initial_state(ITEMS, generator(SETTINGS.seed, "initial-model"))
    model_bytes = encode_model(Packed(model.name, ITEMS, state))
    return RoundTask(bytes([7]) * 32, 1, SigningDomain(31337, "0x" + "11" * 20), SETTINGS, model_bytes)
