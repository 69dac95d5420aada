"""A SuperLink that runs and answers no more.

That is how one may end that was refused memory: Python waits for ever for a thread that could not be started. Its
process goes on, so nobody who only waits for its end would ever see it.
"""

import time
from collections.abc import Callable

from common.errors import EnvironmentFailure

SILENT_SECONDS = 120.0
"""Twice what Flower allows a heartbeat; a machine that is merely busy answers sooner."""
ASK_SECONDS = 30.0


class SilenceWatch:
    """Asks now and then."""

    def __init__(self, ask: Callable[[], object]) -> None:
        """Begin with somebody who has just answered.

        Args:
            ask: Raises EnvironmentFailure where no answer comes, or none that is of use.
        """
        self._ask = ask
        self._answered = time.monotonic()
        self._ask_at = self._answered + ASK_SECONDS

    def look(self) -> None:
        """Ask, unless that was done a moment ago; to be called again and again.

        Raises:
            EnvironmentFailure: no answer has come for SILENT_SECONDS; the sentence is that of the last question.
        """
        if time.monotonic() < self._ask_at:
            return
        try:
            self._ask()
            self._answered = time.monotonic()
        except EnvironmentFailure as error:
            silent = time.monotonic() - self._answered
            if silent > SILENT_SECONDS:
                raise EnvironmentFailure(f"for {silent:.0f} s, {error}") from error
        self._ask_at = time.monotonic() + ASK_SECONDS
