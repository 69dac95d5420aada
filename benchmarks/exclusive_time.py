"""Where a program's time goes, by named parts: each second belongs to the innermost part that runs."""

import time
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any


class ExclusiveTimes:
    """Wraps functions of modules and classes; for a process that does nothing else than be measured."""

    def __init__(self, clock: Callable[[], float], rest: str) -> None:
        """Begin.

        Args:
            clock: `time.perf_counter` or `time.process_time`.
            rest: The name of everything that is not wrapped.
        """
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._parts = [rest]
        self._since = clock()

    def wrap(self, part: str, owner: Any, *names: str) -> None:
        """Count the time in these functions, methods or cached properties of a module or class as that of a part."""
        for name in names:
            found = vars(owner)[name]
            if isinstance(found, cached_property):
                found.func = self._timed(part, found.func)
            else:
                setattr(owner, name, self._timed(part, found))

    def within(self, part: str, call: Callable[..., Any], *arguments: object) -> Any:
        """Call a function as this part."""
        return self._timed(part, call)(*arguments)

    def _timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self._charge()
            self._parts.append(part)
            try:
                return call(*arguments, **keywords)
            finally:
                self._charge()
                self._parts.pop()

        return timed

    def stop(self) -> dict[str, float]:
        """Charge what ran last and return the seconds by part."""
        self._charge()
        return dict(self.seconds)

    def _charge(self) -> None:
        now = self._clock()
        self.seconds[self._parts[-1]] += now - self._since
        self._since = now


def process_clock() -> float:
    """Processor seconds of this process since it began, its start included."""
    return time.process_time()
