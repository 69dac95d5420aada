"""Which scores are computed again, on numbers alone; whole runs with lying peers are in test_lying_peers.py."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from common.account import development_account
from common.commitment import Score
from common.wire import SignedScore
from server.reputation import WAD, score_wad
from server.score_audit import (
    FalseScore,
    Gains,
    audit,
    disputed,
    drawn,
    is_false,
    liars,
    scores_that_count,
)
from server.selection import draw_committees

PAIRS = 200
SEED = bytes(range(32))
SHARDS = [bytes([number]) * 32 for number in range(7)]
ACCOUNTS = sorted(development_account(1, number).address for number in range(1, 31))
Scores = list[tuple[str, SignedScore]]
Lie = Callable[[str, str], float]
"""From evaluator and subject to what is added to both gains."""


class Round:
    """A round whose true gains are the effect of the shard, that of the subject, and a little of their own."""

    def __init__(self, clients: int = 30, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.accounts = ACCOUNTS[:clients]
        of_shard = dict(zip(SHARDS, rng.normal(0.05, 0.05, len(SHARDS)), strict=True))
        of_subject = dict(zip(self.accounts, rng.normal(0.0, 0.01, clients), strict=True))
        self.gains = {
            (subject, shard): tuple(
                int((of_shard[shard] + of_subject[subject] + rng.normal(0.0, 0.012)) * WAD) for _ in range(2)
            )
            for subject in self.accounts
            for shard in SHARDS
        }
        self.recomputed = 0

    def recompute(self, subject: str, shard: bytes) -> Gains:
        self.recomputed += 1
        return self.gains[subject, shard]

    def scores(self, lie: Lie = lambda evaluator, subject: 0.0) -> Scores:
        given = []
        for one in sorted(
            draw_committees(SEED, self.accounts, self.accounts, 7, SHARDS), key=lambda one: one.evaluator
        ):
            added = int(lie(one.evaluator, one.subject) * WAD)
            said = [max(-WAD, min(WAD, gain + added)) for gain in self.gains[one.subject, one.shard]]
            given.append((one.evaluator, SignedScore(Score(one.subject, bytes(32), one.shard, *said), bytes(65))))
        return given

    def audit(self, scores: Scores, share: float = 1e-9) -> tuple[FalseScore, ...]:
        """With a share that draws a single score, unless another is asked for."""
        return audit(scores, self.recompute, PAIRS, SEED, share)


def colluding(members: Sequence[str], by: float) -> Lie:
    return lambda evaluator, subject: (by if subject in members else -by) if evaluator in members else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_honest_rounds_have_no_findings_and_cost_little(seed: int) -> None:
    played = Round(seed=seed)
    assert played.audit(played.scores(), 1.0) == ()
    assert played.recomputed == 30 * 7
    played.recomputed = 0
    assert played.audit(played.scores(), 0.05) == ()
    assert played.recomputed <= 0.25 * 30 * 7


@pytest.mark.parametrize("by", [0.15, -0.15, 0.5])
@pytest.mark.parametrize("members", [1, 6, 12])
def test_liars_are_found_by_the_disagreement_of_committees_and_nobody_else_is(members: int, by: float) -> None:
    played = Round()
    lying = played.accounts[3 : 3 + members]
    scores = played.scores(colluding(lying, by))
    found = played.audit(scores)
    assert set(liars(found)) == set(lying)
    assert len(found) == 7 * members


def test_one_honest_member_among_six_liars_is_enough() -> None:
    played = Round(clients=8)
    honest = played.accounts[:2]
    scores = played.scores(colluding(played.accounts[2:], 0.3))
    assert disputed(scores, PAIRS)
    found = played.audit(scores)
    assert set(liars(found)) == set(played.accounts[2:])
    counted = [one for one in scores_that_count(scores, found) if one[0] in honest]
    true = [one for one in scores_that_count(played.scores(), ()) if one[0] in honest]
    assert sorted(counted) == sorted(true)


def test_a_lie_within_the_honest_spread_is_found_where_it_is_drawn_and_then_all_of_its_kind() -> None:
    played = Round()
    lying = played.accounts[:12]
    scores = played.scores(colluding(lying, 0.02))
    assert len(disputed(scores, PAIRS)) <= len(disputed(played.scores(), PAIRS))
    hit = {at for at in drawn(scores, SEED, 0.05) if scores[at][0] in lying}
    assert hit
    assert set(liars(played.audit(scores, 0.05))) == set(lying)


def test_liars_outnumbering_all_others_everywhere_are_found_by_the_draw() -> None:
    played = Round(clients=8)
    scores = played.scores(lambda evaluator, subject: 0.2)
    assert set(liars(played.audit(scores, 0.05))) == set(played.accounts)


def test_the_tolerance_is_a_pair_of_the_shard() -> None:
    pair = WAD // PAIRS
    assert not is_false((0, 0), (pair, -pair), PAIRS)
    assert is_false((0, 0), (0, pair + 10**7), PAIRS)
    assert is_false((pair + 10**7, 0), (0, 0), PAIRS)
    played = Round()
    for added, count in ((1 / PAIRS, 0), (1.01 / PAIRS, 7)):
        scores = played.scores(lambda evaluator, subject, added=added: added if evaluator == ACCOUNTS[4] else 0.0)
        assert len(played.audit(scores, 1.0)) == count


def test_no_share_is_no_audit() -> None:
    played = Round()
    assert played.audit(played.scores(colluding(ACCOUNTS[:3], 0.5)), 0.0) == ()
    assert played.recomputed == 0
    assert audit([], played.recompute, PAIRS, SEED, 1.0) == ()


def test_the_draw_follows_from_the_seed_and_not_from_the_order() -> None:
    scores = Round().scores()
    places = drawn(scores, SEED, 0.05)
    assert len(places) == 11  # of 210, rounded up
    turned = scores[::-1]
    assert {(turned[at][0], turned[at][1].score.subject) for at in drawn(turned, SEED, 0.05)} == {
        (scores[at][0], scores[at][1].score.subject) for at in places
    }
    assert drawn(scores, bytes(32), 0.05) != places
    assert len(drawn(scores, SEED, 1.0)) == 210


def test_the_order_of_scores_changes_no_finding() -> None:
    played = Round()
    scores = played.scores(colluding(ACCOUNTS[:6], 0.1))
    assert set(played.audit(scores)) == set(played.audit(scores[::-1]))


def test_the_reason_names_the_worse_of_both_gains() -> None:
    found = FalseScore("0xA", "0xB", bytes(32), (WAD // 2, WAD // 4), (WAD // 50, WAD // 5))
    sentence = "as a peer it gave a false score of 0xB: said 0.500000, is 0.020000"
    assert found.reason() == sentence
    later = replace(found, subject="0xC", said=(WAD, WAD))
    assert liars([found, later]) == {"0xA": sentence}


def test_what_an_update_gains_counts_in_place_of_a_false_score() -> None:
    scores = Round().scores()
    evaluator, signed = scores[5]
    finding = FalseScore(evaluator, signed.score.subject, signed.score.shard, (0, 0), (WAD // 10, WAD // 5))
    counted, said = (list(scores_that_count(scores, found)) for found in ((finding,), ()))
    assert counted[5] == (signed.score.subject, score_wad(WAD // 10, WAD // 5))
    assert counted[:5] + counted[6:] == said[:5] + said[6:]
