"""One way in which a client can be hostile, and what must come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.server.hostile_acts import ACCOUNTS, BAD
from tests.small_federation import Act, node_of

KINDS: Mapping[str, Mapping[str, object]] = {
    "ials": {},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "noise": {"noise": "gaussian", "clipping_norm": 3.0, "noise_multiplier": 0.5},
}
"""Settings of the runs that hostile clients are played in."""

IALS, GMF, NOISE = ("ials",), ("gmf",), ("noise",)
ANY_MODEL = ("ials", "gmf")
EVERYWHERE = ("ials", "gmf", "noise")


class Verdict(Enum):
    """What a hostile act costs."""

    REJECTED = "the round: no weight, no pay, its reputation stays"
    GATED = "the round: scored, but without weight and pay"
    UNHEARD = "the round: its scores are missing, and its own update is scored, but without weight and pay"
    LIAR = (
        "the round and all its reputation: what its scores ought to be counts, and its update neither weighs nor earns"
    )
    JUDGED = "nothing by itself: the update is judged by its scores"


@dataclass(frozen=True, kw_only=True)
class HostileClient:
    """A row of the table.

    Attributes:
        does: What the client does, as the page says it.
        act: Its way of doing it, in the round that `cheats_in` says; in the others it is honest.
        reason: The recorded reason, as a regular expression; empty where nothing is recorded.
        verdict: What it costs.
        proves_itself: The reason stands under its account; otherwise under its node, because what it sent does not
            show whose it is.
        kinds: The runs in which this can be done, of `KINDS`; the page shows the first.
        cheats_in: The round; a run has one round more.
        also: Other clients that take part, by number.
        pays: The clients, by number, that the round is lost to.
    """

    does: str
    act: Act
    reason: str
    verdict: Verdict = Verdict.REJECTED
    proves_itself: bool = True
    kinds: tuple[str, ...] = IALS
    cheats_in: int = 1
    also: Mapping[int, Act] = field(default_factory=dict)
    pays: tuple[int, ...] = (BAD,)

    @property
    def recorded_under(self) -> str:
        """The account or node in evidence and report."""
        return ACCOUNTS[BAD].address if self.proves_itself else f"node {node_of(BAD)}"
