"""How much memory a process may take: given to the SuperLink, and lifted again by the coordinator that it starts."""

import resource
from collections.abc import Callable
from typing import Any


def limit_memory(process_id: int, most_bytes: int) -> None:
    """Let a process, and what it starts from now on, allocate no more than so much; beyond it gets MemoryError.

    It limits what the process may write to (RLIMIT_DATA): libraries and files that are only read do not count. Systems
    other than Linux cannot limit another process; there it does nothing.
    """
    prlimit: Callable[..., Any] | None = getattr(resource, "prlimit", None)
    if prlimit is not None:
        _, most = prlimit(process_id, resource.RLIMIT_DATA)
        prlimit(process_id, resource.RLIMIT_DATA, (_lower(most_bytes, most), most))


def lift_memory_limit() -> None:
    """Take back what `limit_memory` did to the process that started this one."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _lower(one: int, other: int) -> int:
    return one if other == resource.RLIM_INFINITY else min(one, other)
