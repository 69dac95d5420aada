"""What an update of a run must satisfy: asked by the coordinator when it arrives, and by every peer that scores it."""

from common.config import Settings
from common.models.model import Arrays, Model
from common.models.noisy_checks import NoisyRules


def check_update(settings: Settings, model: Model, update: Arrays, item_count: int) -> None:
    """Return if an honest client of this run could have sent this, whatever it is.

    Args:
        settings: Of the run; they say whether updates carry noise.
        model: `model.at(state)`, for the state that the round starts from.
        update: What `decode_update` made of the bytes.
        item_count: Size of the catalogue.

    Raises:
        Rejected: names, types, shapes, row ids or values break a rule.
    """
    if settings.noise == "gaussian":
        form = model.noisy_form(item_count, settings.clipping_norm)
        NoisyRules(form, settings.clipping_norm, settings.noise_multiplier).check(update)
    else:
        model.check_update(update, item_count)
