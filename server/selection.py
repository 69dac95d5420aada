"""Who trains and who scores whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_hash.auto import keccak

from common.merkle import ascending


@dataclass(frozen=True)
class Assignment:
    """One scoring task: `evaluator` scores `subject`'s update on the probe shard of that digest."""

    subject: str
    evaluator: str
    shard: bytes


def draw_committees(
    seed: bytes, accounts: Sequence[str], committee_size: int, shards: Sequence[bytes]
) -> list[Assignment]:
    """Draw for every update a committee of peers, and for every seat of it a probe shard.

    Accounts are put on a circle in the order of keccak256(seed || account); those that follow a subject are its
    committee. So each committee is a uniformly random set of others, nobody scores itself, and everybody scores
    equally many updates. Seat p of every committee scores on the same shard, so that all updates of a round are
    compared on the same users; which shard that is, follows from the seed.

    Args:
        seed: The committee seed, 32 bytes.
        accounts: Whose updates are in the round; also the evaluators.
        committee_size: The most peers per update; with few accounts, all the others.
        shards: Digests of the probe shards, at least one; where there are more seats than shards, they are used again.

    Returns:
        Assignments by ascending subject, then seat.
    """
    circle = sorted(accounts, key=lambda account: keccak(seed + bytes.fromhex(account[2:])))
    seats = min(committee_size, len(accounts) - 1)
    drawn = sorted(shards, key=lambda shard: keccak(seed + shard))
    assignments = []
    for subject in ascending(accounts):
        place = circle.index(subject)
        for seat in range(seats):
            evaluator = circle[(place + 1 + seat) % len(circle)]
            assignments.append(Assignment(subject, evaluator, drawn[seat % len(drawn)]))
    return assignments
