"""The recommenders, behind one interface."""

from common.config import Settings
from common.errors import WrongUse
from common.models.ials import Ials
from common.models.mf import Mf
from common.models.model import Arrays, FloatArray, Model
from common.models.ncf import Ncf
from common.models.warm_start import WarmStart

__all__ = ["Arrays", "FloatArray", "Ials", "Model", "build_model", "model_of"]


def build_model(name: str, **hyperparameters: float) -> Model:
    """Return the model of this name; a hyper-parameter that is not given keeps the model's default.

    Raises:
        WrongUse: the name or a hyper-parameter is unknown, or a value is out of range.
    """
    if name != "ials":
        raise WrongUse(f"there is no model called {name!r}; choose ials")
    unknown = sorted(set(hyperparameters) - set(Ials.__dataclass_fields__))
    if unknown:
        raise WrongUse(f"{name} has no hyper-parameter {unknown[0]!r}; it has {', '.join(Ials.__dataclass_fields__)}")
    values = dict(hyperparameters)
    factors = values.pop("factors", Ials.factors)
    if not float(factors).is_integer():
        raise WrongUse(f"factors must be a whole number, not {factors}")
    return Ials(factors=int(factors), **values)


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
    ials = Ials(
        factors=settings.factors,
        alpha0=settings.alpha0,
        regularisation=settings.regularisation,
        kappa=settings.kappa,
        momentum=settings.momentum,
    )
    if settings.model == "ials":
        return ials
    ncf = Ncf(variant=settings.variant, factors=settings.factors)
    if settings.variant == "mlp" or settings.warm_start_rounds == 0:
        return ncf
    return WarmStart(ials, ncf, settings.warm_start_rounds)
