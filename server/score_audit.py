"""Scores computed again: who signed one that the update does not earn has provably lied.

A score is a deterministic function of the model that was sent, the update, and a public shard, so whoever holds the
updates can compute it. Computing all of them again would cost the coordinator what it costs all peers together; so some
are looked at, and where one is false, more:

1. Every committee that disagrees. In an honest round a score is about the effect of its shard plus that of its subject
   (all subjects are scored on the same shards); what is left of each is compared. One honest member among liars stands
   apart from them as much as one liar among the honest.
2. A share of all scores, drawn by the committee seed, which no peer knows before the round is settled.
3. Once a score is false, all of its evaluator's and all of its subject's committee, until no further one is found.

A false score is one off by more than a pair of its shard, which BLAS can turn between two honest machines. Whatever its
size, it costs its evaluator the round and its reputation, and what the update really gains counts in its place: were it
left out alone, a majority of liars in a committee could keep an honest client from being judged at all.

What this does not find: a lie told by a whole committee alike, or one within the spread of honest scores, until a draw
hits one of its scores.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from eth_hash.auto import keccak

from common.data.probe import ProbeShard
from common.models import Arrays, Model
from common.probe_scoring import MeasuredShard, state_with_update_alone
from common.wire import SignedScore
from server.reputation import WAD, median_wad, score_wad

USUAL_SPREADS = 6
"""A score that is further from its subject's others than so many times the median distance is looked at. In rounds of
50 honest clients on MovieLens 0 to 3 of the 50 committees had such a score."""

LEAST_PAIRS = 2
"""Of a shard: nothing that is nearer to its subject's others than this is looked at for its distance."""

MOST_SPREAD = 0.8
"""Over the root of a shard's pairs: whatever is further is looked at, so that many liars cannot widen what is usual. Of
50 honest clients on shards of 200 pairs, where it is .057, a round's furthest score measured .041 to .058."""

_ROUNDING_WAD = 10**6  # of 1 / pairs, which has no end in decimals

Gains = tuple[int, ...]
"""In NDCG@10 and in the hit ratio at 10, or what stands for them: `common.probe_scoring`. WAD."""

Signed = Sequence[tuple[str, SignedScore]]
"""Evaluator and score, in the order of the evidence."""


@dataclass(frozen=True)
class FalseScore:
    """A finding, which anybody who has the round's updates can make again.

    Attributes:
        evaluator: Who signed it.
        subject: Whose update it is about.
        shard: Digest of the shard that it was to be computed on.
        said: The signed gains.
        recomputed: What the update gains.
    """

    evaluator: str
    subject: str
    shard: bytes
    said: Gains
    recomputed: Gains

    def reason(self) -> str:
        """Return why the evaluator's gate closes."""
        said, found = max(zip(self.said, self.recomputed, strict=True), key=lambda gains: abs(gains[0] - gains[1]))
        return f"as a peer it gave a false score of {self.subject}: said {said / WAD:.6f}, is {found / WAD:.6f}"


class RecomputedGains:
    """Gains as an honest peer computes them. Shards are measured when they are first needed.

    Args:
        model: Of the run.
        state: The model that was sent.
        updates: All of the round, by account.
        shards: The probe pool by digest.
    """

    def __init__(
        self, model: Model, state: Arrays, updates: Mapping[str, Arrays], shards: Mapping[bytes, ProbeShard]
    ) -> None:
        self._model, self._state, self._updates, self._shards = model, state, updates, shards
        self._measured: dict[bytes, MeasuredShard] = {}
        self._applied: tuple[str, Arrays] = ("", {})

    def __call__(self, subject: str, shard: bytes) -> Gains:
        """Return what an update gains on a shard; quicker for the subject that was asked for last.

        Raises:
            KeyError: the pool has no such shard, or the round no such update.
        """
        if shard not in self._measured:
            self._measured[shard] = MeasuredShard(self._model, self._state, self._shards[shard])
        if self._applied[0] != subject:
            update = self._updates[subject]
            self._applied = subject, state_with_update_alone(self._model, self._state, update, len(self._updates))
        gained = self._measured[shard].gain(self._applied[1])
        return int(np.floor(gained.first * WAD)), int(np.floor(gained.second * WAD))


def audit(
    scores: Signed, recompute: Callable[[str, bytes], Gains], pairs: int, seed: bytes, share: float
) -> tuple[FalseScore, ...]:
    """Look at some of a round's scores and return the false ones, in the order of `scores`.

    Args:
        scores: All valid ones.
        recompute: From subject and shard to the gains.
        pairs: Held-out pairs of a shard.
        seed: The committee seed.
        share: Of the scores that is drawn; 0: none is looked at, whatever the committees say.

    Guarantees:
        The order of `scores` decides nothing but that of the findings.
        Where every score is within the tolerance, nothing is found.
    """
    if share == 0:
        return ()
    seen: dict[int, Gains] = {}
    found: dict[int, FalseScore] = {}
    wanted = drawn(scores, seed, share) | disputed(scores, pairs)
    while wanted:
        for at in sorted(wanted, key=lambda at: (scores[at][1].score.subject, at)):
            evaluator, signed = scores[at]
            score = signed.score
            said, seen[at] = (score.ndcg_gain_wad, score.hit_gain_wad), recompute(score.subject, score.shard)
            if is_false(said, seen[at], pairs):
                found[at] = FalseScore(evaluator, score.subject, score.shard, said, seen[at])
        liars = {one.evaluator for one in found.values()}
        lied_about = {one.subject for one in found.values()}
        wanted = {
            at
            for at, (evaluator, signed) in enumerate(scores)
            if (evaluator in liars or signed.score.subject in lied_about) and at not in seen
        }
    return tuple(found[at] for at in sorted(found))


def drawn(scores: Signed, seed: bytes, share: float) -> set[int]:
    """Return the places of the scores that the seed asks for: a share of them, rounded up."""
    key = keccak(b"tfedrs-audit" + seed)

    def place(at: int) -> bytes:
        evaluator, signed = scores[at]
        return keccak(key + bytes.fromhex(evaluator[2:]) + bytes.fromhex(signed.score.subject[2:]))

    return set(sorted(range(len(scores)), key=place)[: ceil(Fraction(str(share)) * len(scores))])


def disputed(scores: Signed, pairs: int) -> set[int]:
    """Return the places of the scores of every committee that disagrees by more than the round's honest spread.

    r_sp = m_sp - median_s(m_sp) - median_p(m_sp - median_s(m_sp))      for subject s and shard p
    |r_sp| > min(max(USUAL_SPREADS median |r|, LEAST_PAIRS / pairs), MOST_SPREAD / sqrt(pairs))
                                                                        for one of s: all of s are looked at

    Medians, because fewer than half of the scores of a shard move its median no further than the honest ones reach.
    """
    by_shard: dict[bytes, list[int]] = {}
    for _, signed in scores:
        by_shard.setdefault(signed.score.shard, []).append(_mean(signed))
    of_shard = {shard: median_wad(values) for shard, values in by_shard.items()}
    by_subject: dict[str, dict[int, int]] = {}
    for at, (_, signed) in enumerate(scores):
        by_subject.setdefault(signed.score.subject, {})[at] = _mean(signed) - of_shard[signed.score.shard]
    apart = {
        subject: {at: abs(value - median_wad(list(values.values()))) for at, value in values.items()}
        for subject, values in by_subject.items()
    }
    distances = [distance for values in apart.values() for distance in values.values()]
    if not distances:
        return set()
    usual = max(USUAL_SPREADS * median_wad(distances), LEAST_PAIRS * WAD // pairs)
    allowed = min(usual, int(MOST_SPREAD * WAD / pairs**0.5))
    return {at for values in apart.values() if max(values.values()) > allowed for at in values}


def is_false(said: Gains, recomputed: Gains, pairs: int) -> bool:
    """Tell whether one of two gains is off by more than a pair of the shard."""
    return any(abs(one - other) > WAD // pairs + _ROUNDING_WAD for one, other in zip(said, recomputed, strict=True))


def liars(found: Iterable[FalseScore]) -> dict[str, str]:
    """Return the evaluators of false scores, with the reason that closes their gates: the first score's."""
    reasons: dict[str, str] = {}
    for one in found:
        reasons.setdefault(one.evaluator, one.reason())
    return reasons


def scores_that_count(scores: Signed, found: Iterable[FalseScore]) -> Iterator[tuple[str, int]]:
    """Yield subject and score of each, with what the update gains in place of a false one."""
    recomputed = {(one.evaluator, one.subject): one.recomputed for one in found}
    for evaluator, signed in scores:
        gains = recomputed.get((evaluator, signed.score.subject))
        yield signed.score.subject, _mean(signed) if gains is None else score_wad(*gains)


def _mean(signed: SignedScore) -> int:
    return score_wad(signed.score.ndcg_gain_wad, signed.score.hit_gain_wad)
