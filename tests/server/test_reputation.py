"""One test for each guarantee in the docstrings of `server/reputation.py` and `server/settlement.py`, in integers."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from server.reputation import (
    LEAST_SCALE_WAD,
    WAD,
    aggregation_weight,
    calibrate,
    enough_signatures,
    learning_scale,
    median_wad,
    normalise,
    score_wad,
    share_pool,
    smooth,
    trimmed_mean_wad,
)
from server.settlement import RoundResult, Standing, settle

# coarse values meet each other and the bounds; fine ones meet the rounding
GAIN = st.integers(-WAD, WAD) | st.integers(-20, 20).map(lambda n: n * WAD // 20) | st.integers(-3, 3)
FRACTION = st.integers(0, WAD) | st.sampled_from([0, 1, WAD // 2, WAD - 1, WAD])
CONSOLIDATIONS = {"median": median_wad, "trimmed-mean": trimmed_mean_wad}


@dataclass(frozen=True)
class Round:
    """What `settle` is given."""

    scores_wad: dict[str, list[int]]
    committee_sizes: dict[str, int]
    gates_wad: dict[str, int]
    example_counts: dict[str, int]
    before: Standing
    settings: Settings

    def settle(self) -> RoundResult:
        return settle(
            self.scores_wad, self.committee_sizes, self.gates_wad, self.example_counts, self.before, self.settings
        )


def account(index: int) -> str:
    return f"0x{index:040x}"


def some_round(scores: list[list[int]], before: list[int] | None = None, **settings: object) -> Round:
    """A round of so many clients in which nothing is unusual."""
    clients = [account(index) for index in range(len(scores))]
    return Round(
        dict(zip(clients, scores, strict=True)),
        {client: len(own) for client, own in zip(clients, scores, strict=True)},
        dict.fromkeys(clients, WAD),
        dict.fromkeys(clients, 1),
        Standing(
            dict(zip(clients, before or [WAD] * len(clients), strict=True)),
            dict.fromkeys(clients, 0),
            carried_wei=0,
            scale_wad=0,
        ),
        Settings(**settings),  # type: ignore[arg-type]
    )


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    """Any round: odd and even cohorts, silent peers, closed gates, clients that were away, any past."""
    clients = [account(index) for index in range(draw(st.integers(1, 7)))]
    absent = [account(100 + index) for index in range(draw(st.integers(0, 2)))]
    scores = {client: draw(st.lists(GAIN, max_size=5)) for client in clients}
    everybody = clients + absent
    return Round(
        scores,
        {client: len(scores[client]) + draw(st.integers(0, 3)) for client in clients},
        {client: draw(st.sampled_from([0, WAD // 3, WAD, WAD])) for client in clients},
        {client: draw(st.integers(0, 1000)) for client in clients},
        Standing(
            {one: draw(FRACTION) for one in everybody},
            {one: draw(st.integers(0, 10**24)) for one in everybody},
            carried_wei=draw(st.integers(0, 10**21)),
            scale_wad=draw(st.sampled_from([0, LEAST_SCALE_WAD, WAD // 7, WAD])),
        ),
        Settings(
            consolidation=draw(st.sampled_from(sorted(CONSOLIDATIONS))),
            aggregation=draw(st.sampled_from(["reputation", "reputation", "fedavg"])),
            defence=draw(st.sampled_from(["full", "full", "scores"])),
            smoothing=draw(st.sampled_from([0.0, 0.1, 0.5, 0.999])),
            falling_smoothing=draw(st.sampled_from([0.0, 0.25, 0.9])),
            reputation_floor=draw(st.sampled_from([0.0, 0.03, 0.5])),
            reward_cap=draw(st.sampled_from([1.0, 2.0, 1e6])),
            reward_per_round=draw(st.sampled_from([0, 1, 1000])),
        ),
    )


@st.composite
def raised_scores(draw: st.DrawFn) -> tuple[Round, Round, str]:
    """A round, the same with one peer's score of one client raised, and that client."""
    lower = draw(rounds().filter(lambda one: any(one.scores_wad.values())))
    subject = draw(st.sampled_from(sorted(client for client, scores in lower.scores_wad.items() if scores)))
    scores = list(lower.scores_wad[subject])
    seat = draw(st.integers(0, len(scores) - 1))
    scores[seat] += draw(st.integers(1, WAD) | st.integers(1, 3))
    return lower, replace(lower, scores_wad=lower.scores_wad | {subject: scores}), subject


# Guarantees through `settle`


@given(raised_scores())
def test_a_higher_score_never_lowers_the_clients_own_reputation_weight_or_reward(
    case: tuple[Round, Round, str],
) -> None:
    lower, higher, subject = case
    before, after = lower.settle().judgements[subject], higher.settle().judgements[subject]
    assert before.calibrated_wad <= after.calibrated_wad
    assert before.smoothed_wad <= after.smoothed_wad
    assert before.weight_wad <= after.weight_wad
    assert before.reward_wei <= after.reward_wei


@given(raised_scores())
def test_a_higher_score_never_raises_anothers_reputation(case: tuple[Round, Round, str]) -> None:
    lower, higher, subject = case
    before, after = lower.settle().judgements, higher.settle().judgements
    for other in set(before) - {subject}:
        assert before[other].calibrated_wad >= after[other].calibrated_wad
        assert before[other].smoothed_wad >= after[other].smoothed_wad


@given(raised_scores())
def test_a_higher_score_raises_anothers_share_only_where_a_third_ones_reputation_falls(
    case: tuple[Round, Round, str],
) -> None:
    lower, higher, subject = case
    before, after = lower.settle().judgements, higher.settle().judgements
    others = set(before) - {subject}
    fallen = {one for one in others if after[one].calibrated_wad < before[one].calibrated_wad}
    for other in others:
        if after[other].weight_wad > before[other].weight_wad or after[other].reward_wei > before[other].reward_wei:
            assert fallen - {other}


def test_a_rising_median_takes_from_those_below_it_and_leaves_the_rest_to_everybody_else() -> None:
    below = some_round([[WAD // 20], [WAD // 10], [WAD // 5]], smoothing=0.0).settle().judgements
    above = some_round([[WAD // 20], [WAD // 5], [WAD // 5]], smoothing=0.0).settle().judgements
    assert [below[account(index)].calibrated_wad for index in range(3)] == [WAD // 2, WAD, WAD]
    assert [above[account(index)].calibrated_wad for index in range(3)] == [WAD // 4, WAD, WAD]
    assert above[account(2)].weight_wad > below[account(2)].weight_wad  # the third, whose score did not change


@given(rounds(), st.randoms())
def test_the_order_of_clients_and_of_peers_changes_nothing(one: Round, random) -> None:
    def shuffled(mapping: dict) -> dict:
        entries = list(mapping.items())
        random.shuffle(entries)
        return dict(entries)

    turned = replace(
        one,
        scores_wad={client: random.sample(scores, len(scores)) for client, scores in shuffled(one.scores_wad).items()},
        committee_sizes=shuffled(one.committee_sizes),
        gates_wad=shuffled(one.gates_wad),
        example_counts=shuffled(one.example_counts),
        before=replace(
            one.before,
            smoothed_wad=shuffled(dict(one.before.smoothed_wad)),
            cumulative_wei=shuffled(dict(one.before.cumulative_wei)),
        ),
    )
    assert turned.settle() == one.settle()


@given(rounds())
def test_the_pool_is_never_overspent_and_never_lost(one: Round) -> None:
    result = one.settle()
    paid = sum(judged.reward_wei for judged in result.judgements.values())
    assert result.pool_wei == one.settings.reward_per_round * WAD + one.before.carried_wei
    assert paid == result.rewarded_wei <= result.pool_wei
    if paid:
        assert result.standing.carried_wei == 0
        # beyond the rounding remainder only a cap keeps something back
        most = max(judged.reward_wei for judged in result.judgements.values())
        cap = int(Fraction(str(one.settings.reward_cap)) * result.pool_wei) // len(one.scores_wad)
        capped = one.settings.defence == "full" and most == cap
        assert capped or result.pool_wei - paid < len(result.judgements)
    else:
        assert result.standing.carried_wei == result.pool_wei
    for client, judged in result.judgements.items():
        assert result.standing.cumulative_wei[client] == one.before.cumulative_wei[client] + judged.reward_wei


@given(rounds())
def test_everything_lies_in_its_range(one: Round) -> None:
    result = one.settle()
    for judged in result.judgements.values():
        for value in (judged.calibrated_wad, judged.gate_wad, judged.smoothed_wad, judged.weight_wad):
            assert 0 <= value <= WAD
    assert sum(judged.weight_wad for judged in result.judgements.values()) <= WAD
    assert result.standing.scale_wad >= max(one.before.scale_wad, LEAST_SCALE_WAD)


@given(rounds())
def test_who_was_not_judged_is_unpaid_and_keeps_its_reputation(one: Round) -> None:
    result = one.settle()
    for client, judged in result.judgements.items():
        scores = one.scores_wad.get(client, [])
        if judged.consolidated_wad is None:
            assert not enough_signatures(one.committee_sizes.get(client, 0), len(scores))
            assert (judged.calibrated_wad, judged.reward_wei) == (0, 0)
            assert judged.smoothed_wad == one.before.smoothed_wad[client]
            if one.settings.aggregation == "reputation":
                assert judged.weight_wad == 0


@given(rounds())
def test_a_closed_gate_takes_weight_and_reward(one: Round) -> None:
    one = replace(one, settings=replace(one.settings, aggregation="reputation"))
    for client, judged in one.settle().judgements.items():
        if one.gates_wad.get(client) == 0:
            assert (judged.weight_wad, judged.reward_wei) == (0, 0)


def test_all_weights_zero_carry_the_pool_over_to_the_next_round() -> None:
    alone = some_round([[WAD]] * 3, before=[0, 0, 0])
    closed = replace(alone, gates_wad=dict.fromkeys(alone.gates_wad, 0)).settle()
    assert {judged.weight_wad for judged in closed.judgements.values()} == {0}
    assert (closed.rewarded_wei, closed.standing.carried_wei) == (0, 1000 * WAD)
    opened = replace(alone, before=closed.standing).settle()
    assert (opened.pool_wei, opened.standing.carried_wei) == (2000 * WAD, 0)
    assert opened.rewarded_wei == pytest.approx(2000 * WAD)


def test_one_good_round_does_not_buy_full_weight_and_one_bad_round_costs_it() -> None:
    fresh = some_round([[WAD // 10]] * 4, before=[WAD, WAD, WAD, 0]).settle().judgements
    assert fresh[account(3)].weight_wad == pytest.approx(fresh[account(0)].weight_wad / 2)
    spent = some_round([[WAD // 10]] * 3 + [[-WAD // 10]]).settle().judgements
    assert spent[account(3)].smoothed_wad == WAD // 4  # it falls faster than it rose
    assert (spent[account(3)].weight_wad, spent[account(3)].reward_wei) == (0, 0)


def test_fedavg_weighs_by_example_counts_whatever_the_scores() -> None:
    one = replace(
        some_round([[WAD], [-WAD], [0]], aggregation="fedavg"),
        example_counts={account(0): 1, account(1): 2, account(2): 5},
    )
    weights = [judged.weight_wad for judged in one.settle().judgements.values()]
    assert weights == [WAD // 8, WAD // 4, 5 * WAD // 8]


# The formulas one by one


@given(st.dictionaries(st.integers(0, 50).map(account), GAIN, min_size=1, max_size=9), st.integers(0, WAD))
def test_at_least_half_of_the_accounts_have_the_full_reputation(scores: dict[str, int], scale_before: int) -> None:
    calibrated = calibrate(scores, learning_scale(scores.values(), scale_before))
    assert all(0 <= value <= WAD for value in calibrated.values())
    assert 2 * sum(value == WAD for value in calibrated.values()) >= len(scores)


@given(st.dictionaries(st.integers(0, 50).map(account), GAIN, min_size=1, max_size=9), st.integers(0, WAD))
def test_calibration_is_its_formula(scores: dict[str, int], scale_before: int) -> None:
    scale = learning_scale(scores.values(), scale_before)
    high = median_wad(list(scores.values()))
    for client, value in calibrate(scores, scale).items():
        exact = 1 - Fraction(high - scores[client], scale)
        assert value == int(min(Fraction(1), max(Fraction(0), exact)) * WAD)


def test_nobody_judged_is_no_calibration() -> None:
    assert calibrate({}, learning_scale([], 0)) == {}


@given(st.lists(st.lists(GAIN, max_size=5), min_size=1, max_size=6))
def test_the_learning_scale_never_falls(cohorts: list[list[int]]) -> None:
    scales = [0]
    for scores in cohorts:
        scales.append(learning_scale(scores, scales[-1]))
    assert all(before <= after for before, after in pairwise(scales))
    assert all(
        scale >= LEAST_SCALE_WAD and scale >= median_wad(scores)
        for scale, scores in zip(scales[1:], cohorts, strict=True)
        if scores
    )


@given(FRACTION, FRACTION, st.sampled_from(["0.0", "0.1", "0.3", "0.5", "0.999"]))
def test_smoothing_is_its_equation_rounded_down(previous: int, calibrated: int, gamma: str) -> None:
    exact = Fraction(gamma) * previous + (1 - Fraction(gamma)) * calibrated
    smoothed = smooth(previous, calibrated, int(Fraction(gamma) * WAD))
    assert smoothed == int(exact)
    assert min(previous, calibrated) <= smoothed <= max(previous, calibrated)


@given(FRACTION, FRACTION, FRACTION)
def test_a_weight_is_the_minimum_from_the_floor_on(earned: int, smoothed: int, floor: int) -> None:
    weight = aggregation_weight(earned, smoothed, floor)
    assert weight == (0 if smoothed < floor else earned if earned < smoothed else smoothed)


@given(st.dictionaries(st.integers(0, 50), st.integers(0, 10**30), max_size=9))
def test_normalised_weights_sum_to_one_short_of_rounding(weights: dict[int, int]) -> None:
    total = sum(normalise({account(key): value for key, value in weights.items()}).values())
    assert total == 0 if not any(weights.values()) else WAD - len(weights) < total <= WAD


@given(
    st.integers(0, 10**30),
    st.dictionaries(st.integers(0, 50).map(account), FRACTION, max_size=9),
    st.integers(0, 10**30),
)
def test_the_pool_is_shared_in_proportion_and_a_zero_reputation_gets_nothing(
    pool: int, smoothed: dict[str, int], most: int
) -> None:
    shares = share_pool(pool, smoothed, most)
    total = sum(smoothed.values())
    assert shares == {
        client: min(most, int(Fraction(pool * reputation, total))) if total else 0
        for client, reputation in smoothed.items()
    }
    assert share_pool(pool, smoothed, pool) == share_pool(pool, smoothed, 2 * pool)


@given(st.lists(GAIN, min_size=1, max_size=7), st.data())
def test_a_minority_cannot_move_the_median_beyond_the_others(honest: list[int], data: st.DataObject) -> None:
    liars = data.draw(st.lists(st.integers(-(10**30), 10**30), max_size=len(honest) - 1))
    assert min(honest) <= median_wad(honest + liars) <= max(honest)


@given(st.lists(GAIN, min_size=2, max_size=20), st.data())
def test_as_many_liars_as_are_trimmed_cannot_move_the_trimmed_mean_beyond_the_others(
    honest: list[int], data: st.DataObject
) -> None:
    most = max(count for count in range(len(honest)) if count <= max(1, (len(honest) + count) // 5))
    liars = data.draw(st.lists(st.integers(-(10**30), 10**30), max_size=most))
    assert min(honest) <= trimmed_mean_wad(honest + liars) <= max(honest)


@pytest.mark.parametrize(
    ("scores", "median", "trimmed"),
    [
        ([5], 5, 5),
        ([5, 8], 6, 6),
        ([-5, -8], -7, -7),  # rounded down, so away from zero
        ([1, 2, 90], 2, 2),
        ([1, 2, 5, 90], 3, 3),
        ([1, 2, 3, 4, 90], 3, 3),
        ([1, 2, 4, 5, 6, 7, 8, 9, 10, 90], 6, 6),  # two are cut off on each side: 4..9
    ],
)
def test_consolidation_of_scores_worked_by_hand(scores: list[int], median: int, trimmed: int) -> None:
    assert median_wad(scores) == median
    assert trimmed_mean_wad(scores) == trimmed


@pytest.mark.parametrize("consolidate", CONSOLIDATIONS.values())
def test_no_scores_cannot_be_consolidated(consolidate) -> None:
    with pytest.raises(ValueError, match="no scores"):
        consolidate([])


@pytest.mark.parametrize(
    ("committee", "least"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (64, 33)]
)
def test_more_than_half_of_a_committee_must_have_signed(committee: int, least: int) -> None:
    assert not enough_signatures(committee, least - 1)
    assert enough_signatures(committee, least)


@given(GAIN, GAIN)
def test_a_score_is_the_mean_of_both_gains(ndcg: int, hit: int) -> None:
    assert score_wad(ndcg, hit) == (Fraction(ndcg + hit, 2)).__floor__()
