import numpy as np
import pytest

from common.errors import Rejected
from common.probe_scoring import ShardMetrics
from experiments.attacks.attack import Judging
from experiments.attacks.lying_evaluators import AbstainingEvaluators, Bribed, CopyingEvaluators, Promoting
from experiments.attacks.play import Played
from tests.experiments.attacks.small_attacks import attacked, clean, settings_of

LIARS = frozenset({"0x01", "0x02", "0x03", "0x04"})
SETTINGS = settings_of("ials", 3)


def judging(evaluator: str, subject: str) -> Judging:
    return Judging(2, evaluator, subject, LIARS, lambda: ShardMetrics(0.2, 0.3), {"0x09": 0.125})


def advantage(run: Played, malicious: frozenset[str]) -> float:
    """By how much the gains of these clients lie above the others'."""
    gains = run.report["rounds"][-1]["gain"]
    ours = [gain for account, gain in gains.items() if account in malicious]
    theirs = [gain for account, gain in gains.items() if account not in malicious]
    return float(np.mean(ours) - np.mean(theirs))


@pytest.mark.parametrize("name", ["evaluators-promote", "evaluators-bribed"])
def test_liars_lift_their_own_above_the_others(name: str) -> None:
    run = attacked(name, SETTINGS)
    assert advantage(run, run.malicious) > advantage(clean(SETTINGS), run.malicious) + 0.01


def test_lies_leave_the_updates_honest() -> None:
    run = attacked("evaluators-promote", SETTINGS)
    assert run.report["rounds"][0]["model"] == clean(SETTINGS).report["rounds"][0]["model"]


def test_a_lie_stays_in_the_range_of_gains() -> None:
    assert Promoting(0.5).gain(judging("0x01", "0x02")) == ShardMetrics(0.7, 0.8)
    assert Promoting(0.9).gain(judging("0x01", "0x02")) == ShardMetrics(1.0, 1.0)
    assert Promoting(2.0).gain(judging("0x01", "0x09")) == ShardMetrics(-1.0, -1.0)


def test_half_of_the_liars_are_bribed() -> None:
    told = [Bribed().gain(judging(evaluator, "0x02")) for evaluator in sorted(LIARS)]
    assert told == [ShardMetrics(0.7, 0.8)] * 2 + [ShardMetrics(0.2, 0.3)] * 2


def test_copies_are_what_was_published() -> None:
    assert CopyingEvaluators().gain(judging("0x01", "0x09")) == ShardMetrics(0.125, 0.125)
    assert CopyingEvaluators().gain(judging("0x01", "0x08")) == ShardMetrics(0.0, 0.0)


def test_copies_are_read_from_the_evidence_of_the_round_before() -> None:
    run, honest = attacked("evaluators-copy", SETTINGS), clean(SETTINGS)
    assert run.report["rounds"][1]["gain"] != honest.report["rounds"][1]["gain"]
    signed = {round(gain, 9) for gain in run.report["rounds"][0]["gain"].values()}
    assert signed & {round(gain, 9) for gain in run.report["rounds"][1]["gain"].values()}


def test_who_abstains_owes_its_scores() -> None:
    with pytest.raises(Rejected):
        AbstainingEvaluators().gain(judging("0x01", "0x02"))
    run = attacked("evaluators-abstain", SETTINGS)
    owing = {entry["account"] for entry in run.report["rounds"][-1]["rejected"] if "gave 0 of the" in entry["reason"]}
    assert owing == run.malicious
