"""The models of a run, which the evidence names: the first follows from seed and public data, others from updates."""

from collections.abc import Sequence

import numpy as np

from common.data.probe import ProbeShard
from common.errors import CheckFailed, Rejected
from common.models import Arrays, model_of
from common.update import decode_model
from server.initial_model import initial_model
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


def check_initial_model(
    first: PublicRound, folder: RunFolder, item_count: int, shards: Sequence[ProbeShard]
) -> float | None:
    """Make W_0 again; return how far it lies from the recorded one, as `model_difference` does.

    Args:
        first: The first round.
        folder: Of the run.
        item_count: Size of the catalogue.
        shards: The probe pool in the order of federation.json; empty where it is not at hand.

    Returns:
        None where W_0 was trained on the probe pool, which is not at hand.

    Raises:
        Mismatch: it is another model.
    """
    recorded = read_model(first, folder, "model", item_count)
    if first.settings.pretraining_rounds and not shards:
        return None
    return model_difference(first.server_round, "model", recorded, initial_model(first.settings, item_count, shards))


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
