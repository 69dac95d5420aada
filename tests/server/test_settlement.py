"""What `--defence full` adds to a settlement, worked by hand, and what `--defence scores` leaves as the paper has it.

The guarantees that hold under both are in `test_reputation.py`.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given

from server.reputation import WAD
from server.settlement import Judgement
from tests.server.test_reputation import Round, account, rounds, some_round

GOOD, BAD = [WAD // 10], [-WAD // 10]


def judged(one: Round) -> list[Judgement]:
    return [one.settle().judgements[client] for client in sorted(one.scores_wad)]


@pytest.mark.parametrize(
    ("score", "before", "after"),
    [
        (GOOD, 0, WAD // 2),  # .5 x 0 + .5 x 1
        (GOOD, WAD, WAD),
        (BAD, WAD, WAD // 4),  # .25 x 1 + .75 x 0
        (BAD, 0, 0),
    ],
)
def test_a_reputation_falls_faster_than_it_rises(score: list[int], before: int, after: int) -> None:
    own = judged(some_round([GOOD, GOOD, GOOD, score], before=[WAD, WAD, WAD, before]))[3]
    assert own.smoothed_wad == after


@given(rounds())
def test_smoothing_takes_the_gamma_of_its_direction(one: Round) -> None:
    """The oracle is equation 4, by the gated reputation and in fractions."""
    settings = one.settings
    for client, own in one.settle().judgements.items():
        if own.consolidated_wad is None:
            continue
        earned = own.calibrated_wad * own.gate_wad // WAD
        before = one.before.smoothed_wad[client]
        falls = settings.defence == "full" and earned < before
        gamma = Fraction(str(settings.falling_smoothing if falls else settings.smoothing))
        assert own.smoothed_wad == int(gamma * before + (1 - gamma) * earned)


def test_below_the_floor_a_client_has_neither_weight_nor_reward() -> None:
    floor = {"smoothing": 0.5, "reputation_floor": 0.5}
    at, below = (judged(some_round([GOOD] * 4, before=[WAD, WAD, WAD, past], **floor))[3] for past in (2, 0))
    assert at.smoothed_wad > below.smoothed_wad == WAD // 2  # which is the floor itself
    assert below.weight_wad > 0
    lower = judged(some_round([GOOD] * 3 + [[WAD // 20]], before=[WAD, WAD, WAD, 0], **floor))[3]
    assert lower.calibrated_wad == WAD // 2
    assert lower.smoothed_wad == WAD // 4
    assert (lower.weight_wad, lower.reward_wei) == (0, 0)


def test_a_floor_of_zero_excludes_nobody() -> None:
    mild = some_round([GOOD] * 3 + [[WAD // 10 - WAD // 20]], before=[WAD] * 3 + [0], reputation_floor=0.0)
    assert judged(mild)[3].weight_wad > 0


def test_a_half_open_gate_halves_what_is_earned() -> None:
    one = some_round([GOOD] * 4)
    half = replace(one, gates_wad=one.gates_wad | {account(3): WAD // 2})
    own, other = judged(half)[3], judged(half)[0]
    assert own.calibrated_wad == WAD
    assert own.smoothed_wad == WAD // 4 + 3 * WAD // 8  # .25 x 1 + .75 x .5
    assert own.weight_wad * 2 == pytest.approx(other.weight_wad)


def test_one_client_is_paid_at_most_two_equal_shares() -> None:
    one = some_round(
        [GOOD] * 10, before=[WAD] + [0] * 9, smoothing=0.999, falling_smoothing=0.999, reputation_floor=0.0
    )
    rewards = [own.reward_wei for own in judged(one)]
    assert rewards[0] == 200 * WAD  # of 1,000 tokens for ten; its reputation alone would have earned it nearly all
    assert sum(rewards[1:]) < 10 * WAD
    assert one.settle().standing.carried_wei == 0
    uncapped = judged(replace(one, settings=replace(one.settings, reward_cap=1e6)))
    assert uncapped[0].reward_wei > 990 * WAD


@given(rounds())
def test_nobody_is_paid_more_than_the_cap(one: Round) -> None:
    one = replace(one, settings=replace(one.settings, defence="full"))
    result = one.settle()
    most = Fraction(str(one.settings.reward_cap)) * result.pool_wei / len(one.scores_wad)
    assert all(own.reward_wei <= most for own in result.judgements.values())


@given(rounds())
def test_the_papers_settlement_weighs_by_the_rounds_reputation_alone(one: Round) -> None:
    """T-FedRS eq. 8: w = R / sum of R. No floor, one gamma, no cap."""
    one = replace(one, settings=replace(one.settings, defence="scores", aggregation="reputation"))
    result = one.settle()
    earned = {
        client: own.calibrated_wad * own.gate_wad // WAD
        for client, own in result.judgements.items()
        if own.consolidated_wad is not None
    }
    total = sum(earned.values())
    for client, own in result.judgements.items():
        assert own.weight_wad == (WAD * earned.get(client, 0) // total if total else 0)
    paid = {client: result.judgements[client].smoothed_wad for client in earned if earned[client]}
    for client, own in result.judgements.items():
        share = Fraction(result.pool_wei * paid.get(client, 0), max(1, sum(paid.values())))
        assert own.reward_wei == int(share)
