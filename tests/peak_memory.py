"""What a call allocates."""

import tracemalloc
from collections.abc import Callable


def peak_bytes(call: Callable[[], object], *refusals: type[Exception]) -> int:
    """What a call allocates at most at any moment, whether it succeeds or refuses."""
    tracemalloc.start()
    try:
        call()
    except refusals:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak
