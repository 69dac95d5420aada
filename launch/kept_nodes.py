"""SuperNodes that are started again when they end, as a service manager does on a participant's own machine.

A node that was killed is refused until the SuperLink has given it up, up to a minute later: two heartbeats of Flower's.
So it is tried again for longer than that, and then the run ends with the sentence of the last try.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from launch.processes import ChildProcess

PAUSE_SECONDS = 5.0
TRIES = 20
_STAYED_UP_SECONDS = 60.0
"""Who ran for so long was let in; its next end is another one."""


@dataclass
class _Kept:
    start: Callable[[], ChildProcess]
    child: ChildProcess
    started: float
    ended: float | None = None
    tries: int = 0


class KeptNodes:
    """Looks after nodes that are up."""

    def __init__(
        self,
        starts: Sequence[Callable[[], ChildProcess]],
        children: Sequence[ChildProcess],
        say: Callable[[str], None],
    ) -> None:
        """Take nodes over.

        Args:
            starts: Start each of them again.
            children: As they run now, in the same order.
            say: Gets a sentence for each new end.
        """
        now = time.monotonic()
        self._nodes = [_Kept(start, child, now) for start, child in zip(starts, children, strict=True)]
        self._say = say

    def look(self, when: str) -> None:
        """Start again who has ended a while ago; to be called again and again.

        Raises:
            EnvironmentFailure: a node has ended too often in a row; the sentence names its log.
        """
        now = time.monotonic()
        for node in self._nodes:
            if node.child.poll() is None:
                continue
            if node.ended is None:
                node.ended = now
                if now - node.started > _STAYED_UP_SECONDS:
                    node.tries = 0
                if node.tries == 0:
                    self._say(f"{node.child.why_it_ended(when)}; it is started again.")
            if node.tries == TRIES:
                node.child.raise_if_ended(when)
            if now - node.ended >= PAUSE_SECONDS:
                node.child, node.started, node.ended = node.start(), now, None
                node.tries += 1
