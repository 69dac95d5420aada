"""One input at a decoder: it comes back, or is refused as documented, within bounds of time and memory."""

import resource
import signal
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

ADDRESS_SPACE = 3 << 30
"""Beyond what the process has when fuzzing begins: what asks for more gets MemoryError, which no decoder documents."""


class TooSlow(BaseException):
    """A decoder is still busy when its time is over; no `except Exception` takes it for something else."""


class Broken(Exception):
    """A decoder broke its promise."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        accepted: Whether it was read; otherwise it was refused.
        seconds: Processor time.
    """

    accepted: bool
    seconds: float


def limit_address_space() -> None:
    """Let the process grow by `ADDRESS_SPACE` from now on, and no further."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 - no file of ours
        pages = int(file.read().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ADDRESS_SPACE, most))


def tried(
    read: Callable[[bytes], object],
    data: bytes,
    refusals: tuple[type[Exception], ...],
    most_seconds: float,
    most_bytes: int | None,
) -> Outcome:
    """Give an input to a decoder.

    Args:
        read: The decoder.
        data: The input.
        refusals: What it may raise, exactly; a subclass is another error.
        most_seconds: Of processor time, so that a busy machine does not count.
        most_bytes: What it may allocate at any moment; None does not look, which is several times as fast.

    Raises:
        Broken: it raised something else, took too long, or allocated too much.
    """
    began = time.process_time()
    if most_bytes is not None:
        tracemalloc.start()
    try:
        accepted = _within(read, data, refusals, most_seconds)
        peak = tracemalloc.get_traced_memory()[1] if most_bytes is not None else 0
    finally:
        if most_bytes is not None:
            tracemalloc.stop()
    seconds = time.process_time() - began
    if most_bytes is not None and peak > most_bytes:
        raise Broken(f"it allocated {peak} bytes for an input of {len(data)}, at most {most_bytes} are allowed")
    if most_bytes is None and seconds > most_seconds:
        raise Broken(f"it took {seconds:.2f} s, at most {most_seconds:g} s are allowed")
    return Outcome(accepted, seconds)


def _within(
    read: Callable[[bytes], object], data: bytes, refusals: tuple[type[Exception], ...], most_seconds: float
) -> bool:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, 5 * most_seconds)  # ends what would never end; the bound itself is measured
    try:
        read(data)
    except TooSlow:
        raise Broken(f"it was still busy after {5 * most_seconds:g} s") from None
    except Exception as error:
        if type(error) not in refusals:
            raise Broken(f"it raised {type(error).__name__}: {str(error)[:200]}") from error
        return False
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return True
