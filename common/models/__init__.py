"""The recommenders, behind one interface."""

from dataclasses import replace

from common.config import Settings
from common.models.fused import Fused
from common.models.gmf_mlp import GmfMlp
from common.models.ials import Ials
from common.models.mf import Mf
from common.models.model import Arrays, FloatArray, Model
from common.models.ncf import Ncf
from common.models.ncf_averaged import AveragedNcf
from common.models.ncf_chosen import ncf_of
from common.models.warm_start import WarmStart

__all__ = ["Arrays", "FloatArray", "Ials", "Mf", "Model", "ials_of", "model_of"]


def model_of(settings: Settings) -> Model:
    """Return the model that a run's settings ask for."""
    if settings.model == "mf":
        return Mf(
            factors=settings.factors,
            regularisation=settings.mf_regularisation,
            learning_rate=settings.mf_learning_rate,
            least_rating=settings.least_rating,
            greatest_rating=settings.greatest_rating,
        )
    if settings.model == "ials":
        return ials_of(settings)
    if settings.variant == "fused":
        return Fused(ials_of(settings), ncf_of(settings))
    if settings.noise == "dp-sgd":
        return AveragedNcf(Ncf(variant=settings.variant, factors=settings.factors, user_regularisation=0.02))
    ncf = ncf_of(settings)
    if not settings.warm_started:
        return ncf
    return WarmStart(_first_of(settings), ncf, settings.warm_start_rounds)


def _first_of(settings: Settings) -> Ials | GmfMlp:
    """Return what a warm start begins with."""
    if settings.warm_start == "ials":
        return ials_of(settings)
    scratch = replace(settings, warm_start="ials")
    return GmfMlp(ncf_of(replace(scratch, variant="gmf")), ncf_of(replace(scratch, variant="mlp")))


def ials_of(settings: Settings) -> Ials:
    """Return iALS by a run's settings, whatever model the run trains."""
    return Ials(
        factors=settings.factors,
        alpha0=settings.alpha0,
        regularisation=settings.regularisation,
        kappa=settings.kappa,
        momentum=settings.momentum,
    )
