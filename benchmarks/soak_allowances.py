"""What a federation may gain in a round, figure by figure: the one place where it is written down."""

from benchmarks.growth import Allowance
from common.config import Settings


def allowances(settings: Settings, objects: dict[str, int]) -> dict[str, Allowance]:
    """Return the allowance of every figure of `benchmarks/footprint.py`.

    Args:
        settings: Of the run.
        objects: Bytes of one "model" and of one "update".
    """
    n = settings.clients
    none = "nothing of a round stays"
    return {
        "memory": Allowance(1, "todo"),
        "threads": Allowance(0, none),
        "files": Allowance(0, none),
        "disk": Allowance(1, f"{n} {objects}"),
    }
