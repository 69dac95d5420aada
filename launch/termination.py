"""Signals as exceptions: whoever stops this program, its `finally` blocks run and its children are stopped.

Python turns SIGINT (Ctrl-C) into KeyboardInterrupt, but dies of SIGTERM and SIGHUP without unwinding.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # a stop by a service or a test runner; a closed terminal


@contextmanager
def termination_raises() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise SystemExit(128 + signal) in the main thread, as a shell would report.

    A signal that was ignored stays ignored (nohup). Outside the main thread nothing is changed: Python delivers
    signals to the main thread only.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    try:
        for number in ENDING_SIGNALS:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP until the block is done; then deliver the first that came.

    For what must not be left half done: a process that is started but not yet noted, and the stopping of processes,
    which an impatient second Ctrl-C must not cut short. The handlers are Python functions and not a signal mask,
    because a child would inherit the mask.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING_SIGNALS)}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
