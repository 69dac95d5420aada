"""A coordinator that has lost its federation ends, so that the run can be taken up again.

Flower's calls to a SuperLink that is gone are repeated for ever. A ServerApp whose SuperExec was killed with it would
wait in one of them, hold the run's lock, and so stand in the way of `--resume`.
"""

import os
import threading
import time

SECONDS = 1.0
"""Between two looks at who the parent is."""
_ORPHANED = 3  # as for whatever in the environment of a run has failed


def end_with_parent() -> None:
    """From now on end this process at once when the process that started it has ended.

    What a kill at any moment leaves, a resumed run goes on from; there is nothing to clean up.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os._exit(_ORPHANED)

    threading.Thread(target=watch, name="orphan-watch", daemon=True).start()
