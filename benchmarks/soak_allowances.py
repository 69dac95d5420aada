"""What a federation may gain in a round, figure by figure: the one place where it is written down.

Where something grows by design its size follows from the settings, with a quarter more for room. Elsewhere the figure
is well above what was measured over 30 rounds, and the sentence says what it is. Memory over 30 rounds moves by what
allocators and caches take; of a slow leak only the long soak can tell.
"""

from benchmarks.growth import Allowance
from common.config import Settings

_MOST_PEERS = 7
_ROOM = 1.25
_POOLED_FILES = 4 * 3
"""Flower's database pool keeps up to five connections, of three files each. It starts with one, and another comes
whenever more requests than ever before are answered at the same moment."""


def allowances(settings: Settings, objects: dict[str, int]) -> dict[str, Allowance]:
    """Return the allowance of every figure of `benchmarks/footprint.py`, in bytes or pieces a round.

    Args:
        settings: Of the run.
        objects: Bytes of one "model" and of one "update".
    """
    n = settings.clients
    scores = n * min(n - 1, _MOST_PEERS, settings.committee_size)
    stays = "nothing of a round stays"
    memory = "no model or update stays, of which one is more than this; caches fill"
    return {
        "threads": Allowance(0.05, stays),
        "files": Allowance(0.05, stays),
        "files:SuperLink": Allowance(
            _POOLED_FILES / (settings.rounds / 2), "up to four further database connections, each kept once it is there"
        ),
        "memory": Allowance(min(150_000, 0.9 * objects["update"]), memory),
        "memory:SuperLink": Allowance(0.95 * objects["model"], memory),
        "memory:ServerApp": Allowance(0.7 * objects["model"], memory),
        "memory:chain": Allowance(150_000, "Anvil holds all blocks and receipts, and writes them out at once"),
        "disk": Allowance(200, stays),
        "disk:evidence": Allowance(_ROOM * (2000 + 600 * n + 500 * scores), "the public record: kept for ever"),
        "disk:models": Allowance(_ROOM * objects["model"], "each round's model: kept for whoever verifies"),
        "disk:updates": Allowance(_ROOM * n * (objects["update"] + 2500), "updates: kept for auditors"),
        "disk:chain": Allowance(_ROOM * 32_000, "three transactions and their blocks, as Anvil writes them"),
        "disk:checkpoint": Allowance(_ROOM * (900 + 500 * n), "the report's row"),
        "disk:report.json": Allowance(_ROOM * (1200 + 500 * n), "the report's row"),
        "disk:report.html": Allowance(_ROOM * (4500 + 1000 * n), "a point in every plot and a line in every table"),
        "disk:superlink.db": Allowance(8_000, "the ServerApp's log lines; messages and models go once they are read"),
        "disk:logs": Allowance(_ROOM * (4000 + 1500 * n), "some lines a message, and questions for the run's status"),
        "disk:participants": Allowance(200, "replies of the last two rounds, in place of older ones"),
    }
