"""A model whose local step runs where a client's machine is fastest."""

from dataclasses import replace

from common.device import resolved
from common.models.fused import Fused
from common.models.model import Arrays, Model
from common.models.ncf import Ncf


def on_device(model: Model, state: Arrays, choice: str) -> Model:
    """Return the model of a state's phase with its local step on the device that is chosen.

    Only NCF under the softmax has such a step, alone or beside iALS. Everything else stays as it is, and so does
    NCF where the device is the processor.

    Args:
        model: Of the run.
        state: The global model.
        choice: See `common.device.resolved`, which is asked only if it matters.

    Raises:
        WrongUse: the device is not there.
    """
    phase = model.at(state)
    ncf = phase.gmf if isinstance(phase, Fused) else phase
    if not isinstance(ncf, Ncf) or resolved(choice) == "cpu":
        return phase
    from common.models.ncf_device import DeviceNcf  # noqa: PLC0415  # torch

    moved = DeviceNcf.of(ncf, "cuda")
    return replace(phase, gmf=moved) if isinstance(phase, Fused) else moved
