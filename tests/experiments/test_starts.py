"""Where a run starts, on a federation small enough for a test."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.models import model_of
from common.models.gmf_mlp import GmfMlp
from common.models.ials import Ials
from common.models.ncf import Ncf
from common.models.warm_start import WarmStart
from experiments.starts import figures_of, starts
from tests.small_federation import prepare, with_settings


def test_a_first_model_from_public_data_is_better_than_a_random_one(tmp_path: Path) -> None:
    small = prepare(tmp_path)
    data = small.data
    random, public = (
        list(figures_of(with_settings(small, pretraining_rounds=rounds), data.split, data.probe, data.train, [0, 2]))
        for rounds in (0, 2)
    )
    assert len(random) == len(public) == 2
    assert random[0] + 0.1 < public[0] < public[1]


def test_the_table_of_neumf_has_every_start() -> None:
    models = {label: model_of(settings) for label, settings in starts("neumf").items()}
    scratch, ials, joined = models.values()
    assert isinstance(scratch, Ncf)
    for warm, first, rounds in ((ials, Ials, 2), (joined, GmfMlp, 5)):
        assert isinstance(warm, WarmStart)
        assert isinstance(warm.first, first)
        assert warm.rounds == rounds
        assert warm.then == scratch


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_the_table_of_public_data_has_every_kind_of_model(rounds: int) -> None:
    asked = [settings for settings in starts("public").values() if settings.pretraining_rounds == rounds]
    assert len(asked) == 5
    assert len({replace(settings, pretraining_rounds=0) for settings in asked}) == 5
