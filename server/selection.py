"""Who trains and who scores whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from eth_hash.auto import keccak

from common.config import Settings
from common.merkle import ascending
from server.reputation import WAD


@dataclass(frozen=True)
class Assignment:
    """One scoring task: `evaluator` scores `subject`'s update on the probe shard of that digest."""

    subject: str
    evaluator: str
    shard: bytes


def trusted_evaluators(accounts: Sequence[str], settings: Settings, smoothed_wad: Mapping[str, int]) -> Sequence[str]:
    """Return who of a round's accounts may score: those that have a reputation, where these are half of them.

    Who lied, owed scores or sent what the gates refuse has none, and neither has who was never judged; in the first
    round that is everybody, and everybody scores.

    Args:
        accounts: Whose updates are in the round.
        settings: Of the run; without the full defence everybody scores.
        smoothed_wad: Reputations before the round.
    """
    if settings.defence != "full":
        return accounts
    floor_wad = int(Fraction(str(settings.reputation_floor)) * WAD)
    trusted = [account for account in accounts if smoothed_wad[account] > floor_wad]
    enough = len(trusted) > settings.committee_size and 2 * len(trusted) >= len(accounts)
    return trusted if enough else accounts


def draw_committees(
    seed: bytes, accounts: Sequence[str], evaluators: Sequence[str], committee_size: int, shards: Sequence[bytes]
) -> list[Assignment]:
    """Draw for every update a committee of peers, and for every seat of it a probe shard.

    Accounts are put on a circle in the order of keccak256(seed || account); the evaluators that follow a subject are
    its committee. So each committee is a random set of others, nobody scores itself, and where everybody may score,
    everybody scores equally many updates. Seat p of every committee scores on the same shard, so that all updates of a
    round are compared on the same users; which shard that is, follows from the seed.

    Args:
        seed: The committee seed, 32 bytes.
        accounts: Whose updates are in the round.
        evaluators: Those of them that may score, at least two where there is anything to score.
        committee_size: The most peers per update; with few accounts, all the others.
        shards: Digests of the probe shards, at least one; where there are more seats than shards, they are used again.

    Returns:
        Assignments by ascending subject, then seat.
    """
    circle = sorted(accounts, key=lambda account: keccak(seed + bytes.fromhex(account[2:])))
    may_score = set(evaluators)
    seats = min(committee_size, len(may_score) - 1)
    drawn = sorted(shards, key=lambda shard: keccak(seed + shard))
    assignments = []
    for subject in ascending(accounts):
        place = circle.index(subject)
        following = (account for account in circle[place + 1 :] + circle[:place] if account in may_score)
        for seat, evaluator in zip(range(seats), following, strict=False):
            assignments.append(Assignment(subject, evaluator, drawn[seat % len(drawn)]))
    return assignments
