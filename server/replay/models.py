"""The models of a run, which the evidence names: the first follows from the seed, each other from its updates."""

import numpy as np

from common.errors import CheckFailed, Rejected
from common.models import Arrays, model_of
from common.seeding import generator
from common.update import decode_model
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound
from server.run_folder import RunFolder

MODEL_TOLERANCE = 1e-5
"""Relative to the largest entry of an array."""


def read_model(public: PublicRound, folder: RunFolder, field: str, item_count: int) -> Arrays:
    """Return the arrays of the model that the evidence names under `field`, "model" or "next_model".

    Raises:
        Mismatch: the object is missing, is not what its name says, or is of another model or catalogue.
    """
    try:
        packed = decode_model(folder.get_object(getattr(public, field)))
    except (CheckFailed, Rejected) as error:
        raise Mismatch(public.server_round, None, field, str(error).rstrip(".")) from error
    said, expected = (packed.model, packed.rows), (model_of(public.settings).name, item_count)
    if said != expected:
        raise Mismatch(public.server_round, None, field, f"its header is that of {said} and must be of {expected}")
    return packed.arrays


def check_initial_model(first: PublicRound, folder: RunFolder, item_count: int) -> float:
    """Draw W_0 from the seed again; return how far it lies from the recorded one, as `model_difference` does.

    Raises:
        Mismatch: it is another model.
    """
    recorded = read_model(first, folder, "model", item_count)
    drawn = model_of(first.settings).initial_state(item_count, generator(first.settings.seed, "initial-model"))
    return model_difference(first.server_round, "model", recorded, drawn)


def model_difference(server_round: int, field: str, recorded: Arrays, computed: Arrays) -> float:
    """Return the largest difference of two states, relative to the largest entry of the array it is in.

    Raises:
        Mismatch: it is above `MODEL_TOLERANCE`, or an array has another name, type or shape.
    """
    expect(server_round, None, field, sorted(recorded), sorted(computed))
    largest = 0.0
    for name, expected in computed.items():
        found = recorded[name]
        if (found.dtype, found.shape) != (expected.dtype, expected.shape):
            raise Mismatch(server_round, None, field, f"its {name} has another type or shape than what follows")
        if not expected.size:
            continue
        scale = max(float(np.max(np.abs(expected))), float(np.finfo(np.float64).tiny))
        with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, which is too far
            difference = float(np.max(np.abs(found.astype(np.float64) - expected.astype(np.float64)))) / scale
        if not difference <= MODEL_TOLERANCE:  # NaN is not either
            raise Mismatch(
                server_round, None, field, f"its {name} is {difference:.1e} of its largest entry from what follows"
            )
        largest = max(largest, difference)
    return largest
