"""The table of hostile clients, and the runs in which they are played."""

from dataclasses import replace
from pathlib import Path

from tests.server.hostile_acts import BAD, in_round
from tests.server.hostile_arrays import ARRAYS
from tests.server.hostile_bytes import ENCODED
from tests.server.hostile_client import KINDS, HostileClient
from tests.server.hostile_replies import REPLIES
from tests.server.hostile_scores import SCORES
from tests.small_federation import PlayedRun, SmallFederation

HOSTILE_CLIENTS: tuple[HostileClient, ...] = (*REPLIES, *ENCODED, *ARRAYS, *SCORES)


def play_hostile(small: SmallFederation, folder: Path, hostile: HostileClient, kind: str) -> PlayedRun:
    """Play a run in which the client is hostile in one round, and honest before it and in the one after it."""
    settings = replace(small.settings, rounds=hostile.cheats_in + 1, **KINDS[kind])
    # what a client prepares in earlier rounds belongs to the act, so that one keeps its own time
    act = hostile.act if hostile.cheats_in > 1 else in_round(1, hostile.act)
    return small.play(
        folder, settings=settings, acts={BAD: act, **{c: in_round(1, a) for c, a in hostile.also.items()}}
    )


def recorded_reasons(run: PlayedRun, hostile: HostileClient) -> list[str]:
    """What evidence and report say, alike, of the round in which it was hostile."""
    return run.reasons(hostile.cheats_in, hostile.recorded_under)
