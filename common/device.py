"""Where a client's local training of NCF runs: on the processor, or on a GPU that torch can use.

Torch takes seconds to import, so that it is asked only where the system shows a device that it may know.
"""

from pathlib import Path
from typing import Literal, get_args

from common.errors import WrongUse

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = get_args(Device)
DEVICE_VARIABLE = "TFEDRS_DEVICE"
"""By which a client process learns what its machine's owner chose; without it, auto."""

_DEVICE_FILES = ("nvidia[0-9]*", "dxg")  # Linux; Windows' own, seen from its Linux


def resolved(choice: str, devices: Path = Path("/dev")) -> Literal["cpu", "cuda"]:
    """Return where to compute. "auto" is a GPU where torch sees one, else the processor.

    Args:
        choice: One of `DEVICES`.
        devices: The folder of the system's device files.

    Raises:
        WrongUse: there is no such choice, or "cuda" is chosen and torch sees no GPU.
    """
    if choice not in DEVICES:
        raise WrongUse(f"a device must be {', '.join(DEVICES)}, not {choice!r}.")
    if choice == "cpu":
        return "cpu"
    if any(any(devices.glob(pattern)) for pattern in _DEVICE_FILES) and _torch_sees_cuda():
        return "cuda"
    if choice == "cuda":
        raise WrongUse("torch sees no CUDA device on this machine: choose --device auto or cpu.")
    return "cpu"


def _torch_sees_cuda() -> bool:
    import torch  # noqa: PLC0415  # takes seconds

    return torch.cuda.is_available()
