from typing import Any

import pytest

from common.config import Settings
from common.models import model_of
from common.models.fused import Fused
from common.models.gmf_mlp import GmfMlp
from common.models.ncf import Ncf
from common.models.ncf_chosen import ncf_of
from common.models.ncf_sampled import SampledNcf
from common.models.warm_start import WarmStart


def asked(**settings: Any) -> Settings:
    return Settings(model="ncf", **({"variant": "neumf"} | settings))


def test_the_default_is_what_ncf_is_by_itself() -> None:
    assert ncf_of(asked()) == Ncf()


@pytest.mark.parametrize("kind", ["adam", "yogi", "avg", "avgm"])
def test_each_group_gets_its_optimiser_and_a_rate_of_its_own(kind: Any) -> None:
    items, network = ncf_of(asked(item_optimizer=kind)), ncf_of(asked(network_optimizer=kind))
    assert isinstance(items, Ncf)
    assert isinstance(network, Ncf)
    assert (items.item_optimizer.kind, items.network_optimizer.kind) == (kind, "adam")
    assert (network.item_optimizer.kind, network.network_optimizer.kind) == ("adam", kind)
    told = ncf_of(asked(item_optimizer=kind, item_learning_rate=0.7, network_learning_rate=0.3))
    assert isinstance(told, Ncf)
    assert (told.learning_rate, told.tower_learning_rate) == (0.7, 0.3)


@pytest.mark.parametrize("loss", ["bce", "bpr"])
def test_a_sampled_loss_gets_its_settings(loss: Any) -> None:
    model = ncf_of(asked(loss=loss, negatives=7, row_floor=3.5, variant="gmf", factors=9, item_optimizer="yogi"))
    assert isinstance(model, SampledNcf)
    assert (model.loss, model.negatives, model.row_floor) == (loss, 7, 3.5)
    assert (model.ncf.variant, model.ncf.factors, model.ncf.item_optimizer.kind) == ("gmf", 9, "yogi")


@pytest.mark.parametrize("loss", ["softmax", "bce", "bpr"])
def test_every_loss_may_start_from_ials_or_from_nothing(loss: Any) -> None:
    warm = model_of(asked(loss=loss, warm_start_rounds=2))
    assert isinstance(warm, WarmStart)
    assert warm.then == ncf_of(asked(loss=loss))
    assert model_of(asked(loss=loss)) == ncf_of(asked(loss=loss))
    assert model_of(asked(loss=loss, variant="mlp", warm_start_rounds=2)) == ncf_of(asked(loss=loss, variant="mlp"))


@pytest.mark.parametrize("loss", ["softmax", "bce", "bpr"])
def test_every_loss_may_be_joined_from_its_own_branches(loss: Any) -> None:
    joined = model_of(asked(loss=loss, warm_start="gmf-mlp", warm_start_rounds=7, factors=9))
    assert isinstance(joined, WarmStart)
    assert isinstance(joined.first, GmfMlp)
    assert (joined.rounds, joined.first.alpha) == (7, 0.5)
    assert joined.first.gmf == ncf_of(asked(loss=loss, variant="gmf", factors=9))
    assert joined.first.mlp == ncf_of(asked(loss=loss, variant="mlp", factors=9))
    assert joined.then == ncf_of(asked(loss=loss, factors=9))


@pytest.mark.parametrize("loss", ["softmax", "bce", "bpr"])
def test_every_loss_may_stand_beside_ials(loss: Any) -> None:
    fused = model_of(asked(loss=loss, variant="fused"))
    assert isinstance(fused, Fused)
    assert fused.gmf == ncf_of(asked(loss=loss, variant="gmf"))
