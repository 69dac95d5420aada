"""The NCF that a run's settings ask for; what they leave open was chosen on validation items (docs/measurements.md)."""

from dataclasses import replace

from common.config import Settings
from common.models.ncf import Ncf
from common.models.ncf_sampled import SampledNcf
from common.models.server_optimizers import Kind, ServerOptimizer

ITEM_RATES: dict[Kind, float] = {"adam": 0.1, "yogi": 0.1, "avg": 5.0, "avgm": 5.0}
NETWORK_RATES: dict[Kind, float] = {"adam": 0.01, "yogi": 0.01, "avg": 0.1, "avgm": 0.1}
ITEM_PENALTIES = {"softmax": 0.07, "bce": 0.03, "bpr": 0.03}


def ncf_of(settings: Settings) -> Ncf | SampledNcf:
    """Return the model that sends gradients: alone, after a warm start, or the GMF of "fused"."""
    ncf = Ncf(
        variant="gmf" if settings.variant == "fused" else settings.variant,
        factors=settings.factors,
        learning_rate=settings.item_learning_rate or ITEM_RATES[settings.item_optimizer],
        tower_learning_rate=settings.network_learning_rate or NETWORK_RATES[settings.network_optimizer],
        decay=settings.learning_rate_decay,
        item_regularisation=settings.item_regularisation or ITEM_PENALTIES[settings.loss],
        item_optimizer=ServerOptimizer(settings.item_optimizer),
        network_optimizer=ServerOptimizer(settings.network_optimizer),
    )
    if settings.loss == "softmax":
        return ncf
    return SampledNcf(
        loss=settings.loss,
        negatives=settings.negatives,
        row_floor=settings.row_floor,
        ncf=replace(ncf, user_regularisation=0.05),
    )
