"""Which clients a round asks: all that are there, or some, drawn so that anybody can draw them again.

The draw of round t follows from s_(t-1) of the coordinator's seed chain, which was fixed when the run opened and is
public once round t-1 is settled: nobody chooses who trains, and everybody can check it. Accounts are taken in the
order of keccak256(keccak256("tfedrs-participation" || s_(t-1)) || account). Who is not there, or would sit the round
out, is passed over with the reason, and the next one is asked.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from eth_hash.auto import keccak

from common.config import Settings

NOT_ONLINE = "no node that speaks for it is online"


@dataclass(frozen=True)
class Invitation:
    """Whom a round with a draw asks. Both are empty where a round asks everybody.

    Attributes:
        asked: Accounts, in the order of the draw.
        passed_over: (account, reason), in the order of the draw.
    """

    asked: tuple[str, ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()


def asks_some(settings: Settings) -> bool:
    """Say whether rounds draw whom they ask."""
    return clients_asked(settings) < settings.clients


def clients_asked(settings: Settings) -> int:
    """Return how many clients a round asks: their share, but two, who can score each other, at least."""
    return max(2, ceil(settings.participation * settings.clients))


def updates_needed(settings: Settings) -> int:
    """Return how many updates a round needs, or it has none: the quorum of those asked, two at least."""
    return max(2, ceil(settings.quorum * clients_asked(settings)))


def draw_order(seed_link: bytes, accounts: Collection[str]) -> list[str]:
    """Return the accounts in the order in which a round asks them.

    Args:
        seed_link: s_(t-1), 32 bytes.
        accounts: All of the cohort.
    """
    seed = keccak(b"tfedrs-participation" + seed_link)
    return sorted(accounts, key=lambda account: keccak(seed + bytes.fromhex(account[2:])))


def invite(order: Sequence[str], wanted: int, absences: Mapping[str, str]) -> Invitation:
    """Go down the order until enough are asked.

    Args:
        order: As drawn.
        wanted: How many to ask.
        absences: Account -> why it cannot be asked.

    Guarantees:
        The asked and the passed over together are the beginning of the order.
        Fewer than `wanted` are asked only where the order ends.
    """
    asked: list[str] = []
    passed_over: list[tuple[str, str]] = []
    for account in order:
        if len(asked) == wanted:
            break
        if account in absences:
            passed_over.append((account, absences[account]))
        else:
            asked.append(account)
    return Invitation(tuple(asked), tuple(passed_over))
