"""What an update of a run must satisfy: asked by the coordinator when it arrives, and by every peer that scores it."""

from common.compression import expand
from common.config import Settings
from common.errors import Rejected
from common.models.model import Arrays, Model
from common.models.noisy_checks import NoisyRules
from common.update import MAX_UPDATE_BYTES, decode_update


def open_update(settings: Settings, model: Model, data: bytes, item_count: int) -> Arrays:
    """Return the arrays of an update from bytes that nobody vouches for, as the model knows them.

    Args:
        settings: Of the run.
        model: `model.at(state)`, for the state that the round starts from.
        data: What a client sent.
        item_count: Size of the catalogue.

    Raises:
        Rejected: the bytes are not those of an update of this model, catalogue and compression that keeps the bounds.
    """
    packed = decode_update(data, MAX_UPDATE_BYTES)
    if packed.model != model.name or packed.rows != item_count:
        raise Rejected(
            f"the update is for model '{packed.model}' with {packed.rows} items, "
            f"not for '{model.name}' with {item_count}"
        )
    arrays = expand(packed, settings.compression)
    check_update(settings, model, arrays, item_count)
    return arrays


def check_update(settings: Settings, model: Model, update: Arrays, item_count: int) -> None:
    """Return if an honest client of this run could have sent this, whatever it is.

    Args:
        settings: Of the run; they say whether updates carry noise.
        model: `model.at(state)`, for the state that the round starts from.
        update: What `expand` made of it.
        item_count: Size of the catalogue.

    Raises:
        Rejected: names, types, shapes, row ids or values break a rule.
    """
    if settings.noise == "gaussian":
        form = model.noisy_form(item_count, settings.clipping_norm)
        NoisyRules(form, settings.clipping_norm, settings.noise_multiplier).check(update)
    else:
        model.check_update(update, item_count)
