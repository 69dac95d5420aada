"""Runs that are played once and verified many times."""

import numpy as np
import pytest

from tests.server.hostile_acts import BAD, changing_the_first_score, failing, filled, with_arrays
from tests.server.replay.recorded_run import RecordedRun
from tests.small_federation import WAD, SmallFederation, with_settings

IDLE, FAILING, BOASTING, LYING = 2, 3, 4, BAD  # clients, by number


@pytest.fixture(scope="session")
def honest(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """Two rounds in which nothing happens."""
    return RecordedRun.of(small, small.play(tmp_path_factory.mktemp("honest")))


@pytest.fixture(scope="session")
def eventful(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """One client sends zeros, so its gate closes; another fails and is rejected."""
    idle = with_arrays(residual=np.zeros_like, gram=np.zeros_like)
    played = small.play(tmp_path_factory.mktemp("eventful"), acts={IDLE: idle, FAILING: failing("disk full")})
    return RecordedRun.of(small, played)


@pytest.fixture(scope="session")
def boasted(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """One more says that all of its ten users have every item that one of them has, so that its gate is lowered."""
    acts = {
        IDLE: with_arrays(residual=np.zeros_like, gram=np.zeros_like),
        FAILING: failing("disk full"),
        BOASTING: with_arrays(counts=filled(10)),
    }
    return RecordedRun.of(small, small.play(tmp_path_factory.mktemp("boasted"), acts=acts))


@pytest.fixture(scope="session")
def lied(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """A peer signs scores that the updates do not earn."""
    lying = changing_the_first_score(ndcg_gain_wad=WAD // 2)
    return RecordedRun.of(small, small.play(tmp_path_factory.mktemp("lied"), acts={LYING: lying}))


@pytest.fixture(scope="session")
def weighed(small: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """The weights are those of the clients' example counts."""
    settings = with_settings(small, aggregation="fedavg")
    return RecordedRun.of(small, small.play(tmp_path_factory.mktemp("weighed"), settings=settings))
