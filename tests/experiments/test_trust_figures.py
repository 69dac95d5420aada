import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.trust_figures import (
    ClientRound,
    auc,
    bound_of,
    false_penalties,
    reputation_aucs,
    reward_share,
    rounds_of,
    rounds_to_detection,
)
from tests.small_federation import SETTINGS, prepare

ONE = ClientRound(gain=0.1, calibrated=1.0, reputation=0.5, weight=0.25, reward_wei=10, penalised=False)
shares = st.lists(st.integers(0, 4).map(lambda n: n / 4), min_size=1, max_size=8)


def round_of(**fields):
    """One round: for each account the fields that differ from `ONE`."""
    return {account: replace(ONE, **changed) for account, changed in fields.items()}


def test_the_auc_counts_ties_half():
    assert auc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auc([0.1], [0.9]) == 0.0
    assert auc([0.5, 0.5], [0.5]) == 0.5
    assert auc([0.9, 0.1], [0.1]) == 0.75
    assert auc([], [0.1]) is None
    assert auc([0.1], []) is None


@given(shares, shares)
def test_the_auc_of_the_other_side_is_the_rest(honest, malicious):
    assert auc(honest, malicious) + auc(malicious, honest) == pytest.approx(1.0)


def test_each_round_has_its_auc():
    rounds = [
        round_of(a={"reputation": 0.5}, b={"reputation": 0.5}),
        round_of(a={"reputation": 0.9}, b={"reputation": 0.1}),
    ]
    assert reputation_aucs(rounds, {"b"}) == [0.5, 1.0]
    assert reputation_aucs(rounds, set()) == [None, None]


def test_detection_is_the_first_round_with_a_median_under_a_quarter():
    def weights(good, bad):
        return round_of(a={"weight": good}, b={"weight": good}, x={"weight": bad}, y={"weight": bad})

    assert rounds_to_detection([weights(0.4, 0.4), weights(0.4, 0.1), weights(0.4, 0.09)], {"x", "y"}) == 3
    assert rounds_to_detection([weights(0.4, 0.1)], {"x", "y"}) is None
    assert rounds_to_detection([weights(0.4, 0.0)], set()) is None


def test_only_honest_penalties_are_false():
    rounds = [round_of(a={"penalised": True}, b={}, x={"penalised": True}), round_of(a={}, b={}, x={})]
    assert false_penalties(rounds, {"x"}) == 0.25


def test_the_share_of_rewards_is_of_all_rounds_together():
    rounds = [round_of(a={"reward_wei": 60}, x={"reward_wei": 30}), round_of(a={"reward_wei": 0}, x={"reward_wei": 10})]
    assert reward_share(rounds, {"x"}) == 0.4
    assert reward_share(rounds, set()) is None
    assert reward_share([round_of(a={"reward_wei": 0}, x={"reward_wei": 0})], {"x"}) is None


def test_both_sides_of_the_bound_by_hand():
    rounds = [
        round_of(
            a={"weight": 0.6, "gain": 0.10, "calibrated": 1.0},
            b={"weight": 0.3, "gain": -0.10, "calibrated": 0.5},
            x={"weight": 0.1, "gain": -0.50, "calibrated": 0.1},
            y={"weight": 0.0, "gain": None, "calibrated": 0.0},
        ),
        round_of(
            a={"weight": 0.5, "gain": 0.02, "calibrated": 1.0},
            b={"weight": 0.5, "gain": 0.02, "calibrated": 0.7},
            x={"weight": 0.0, "gain": -0.40, "calibrated": 0.2},
            y={"weight": 0.0, "gain": -0.40, "calibrated": 0.0},
        ),
    ]
    bound = bound_of(rounds, {"x", "y"})
    assert bound.left == pytest.approx(0.1 * 0.5)
    assert bound.honest_sum == pytest.approx(0.06 + 0.03 + 0.01 + 0.01)
    assert bound.attackers_r == pytest.approx(0.15)  # x, over both rounds
    assert bound.honest_r == pytest.approx(0.6)  # b
    assert bound.right == pytest.approx(0.15 / 0.6 * 0.11)
    assert bound_of(rounds, set()) is None


def test_an_honest_client_without_reputation_leaves_no_bound():
    bound = bound_of([round_of(a={"calibrated": 0.0}, x={})], {"x"})
    assert bound.honest_r == 0
    assert bound.right is None


def test_the_figures_are_read_from_the_evidence_of_a_run(tmp_path):
    federation = prepare(tmp_path / "clients")
    run = federation.play(tmp_path / "run")
    evidence = [run.evidence(number) for number in (1, 2)]
    rounds = rounds_of(evidence)
    accounts = {account.address for account in federation.accounts}
    assert [set(judged) for judged in rounds] == [accounts, accounts]
    for judged, row in zip(rounds, run.report["rounds"], strict=True):
        for account, one in judged.items():
            assert one.gain == pytest.approx(row["gain"][account])
            assert one.reputation == pytest.approx(row["reputation"][account])
            assert one.weight == pytest.approx(row["weight"][account])
            assert one.reward_wei == int(row["reward"][account])
            assert one.penalised is (row["weight"][account] == 0)
    assert reward_share(rounds, accounts) == 1.0


def test_who_was_not_asked_is_not_in_the_round_and_who_was_rejected_is_penalised(tmp_path):
    federation = prepare(tmp_path / "clients")
    evidence = federation.play(tmp_path / "run").evidence(SETTINGS.rounds)
    asked, rejected = evidence["cohort"][:3], evidence["cohort"][0]
    changed = json.loads(json.dumps(evidence)) | {"asked": asked, "rejected": [{"account": rejected, "reason": "no"}]}
    (judged,) = rounds_of([changed])
    assert set(judged) == set(asked)
    assert judged[rejected].penalised
    assert not judged[asked[1]].penalised
