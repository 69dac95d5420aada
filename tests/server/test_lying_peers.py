"""Peers that collude to promote each other and to demote the rest, in whole runs: found out, and without effect."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from common.commitment import score_message, sign
from common.wire import RoundTask, SignedScore
from server.replay.mismatch import Mismatch
from server.score_audit import FalseScore
from tests.server.hostile_acts import changing_the_scores, in_round
from tests.server.replay.recorded_run import RecordedRun
from tests.small_federation import SETTINGS, WAD, Act, PlayedRun, SmallFederation, prepare, with_settings

CLIENTS, LIES_IN = 8, 2
"""So a committee of seven is all the others. Lies come when there are reputations to lose."""


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    folder = tmp_path_factory.mktemp("eight") / "participants"
    return prepare(folder, replace(SETTINGS, clients=CLIENTS, committee_size=7, probe_pairs=40))


@pytest.fixture(scope="module")
def honest(eight: SmallFederation, tmp_path_factory: pytest.TempPathFactory) -> PlayedRun:
    return eight.play(tmp_path_factory.mktemp("honest"))


def colluding(federation: SmallFederation, members: Sequence[int], by: float) -> dict[int, Act]:
    """Score the members by so much too high and all others by so much too low."""
    own = {federation.accounts[client].address for client in members}

    def lying(client: int) -> Act:
        def change(scores: list[SignedScore], task: RoundTask) -> list[SignedScore]:
            return [said(signed, task) for signed in scores]

        def said(signed: SignedScore, task: RoundTask) -> SignedScore:
            added = int((by if signed.score.subject in own else -by) * WAD)
            gains = {
                name: max(-WAD, min(WAD, getattr(signed.score, name) + added))
                for name in ("ndcg_gain_wad", "hit_gain_wad")
            }
            score = replace(signed.score, **gains)
            message = score_message(task.domain, task.run_id, task.server_round, score)
            return SignedScore(score, sign(message, federation.accounts[client].key))

        return in_round(LIES_IN, changing_the_scores(change))

    return {client: lying(client) for client in members}


def reputations(run: PlayedRun) -> dict[str, float]:
    judged = run.evidence(LIES_IN)["judgements"]
    return {one["account"]: int(one["smoothed_wad"]) / WAD for one in judged}


def moved(federation: SmallFederation, run: PlayedRun, honest: PlayedRun, members: Sequence[int]) -> float:
    """The largest difference that the lies make to an honest client's reputation."""
    with_lies, without = reputations(run), reputations(honest)
    others = [federation.accounts[client].address for client in range(CLIENTS) if client not in members]
    return max(abs(with_lies[account] - without[account]) for account in others)


@pytest.mark.parametrize("by", [0.4, -0.4, 0.1], ids=["promoting", "demoting", "a little"])
@pytest.mark.parametrize("members", [(0, 3, 6), (0, 1, 3, 4, 6, 7)], ids=["3 of 7", "6 of 7"])
def test_colluders_move_no_honest_reputation_and_lose_their_own(
    eight: SmallFederation, honest: PlayedRun, tmp_path: Path, members: tuple[int, ...], by: float
) -> None:
    run = eight.play(tmp_path, acts=colluding(eight, members, by))
    assert moved(eight, run, honest, members) <= 0.05
    rewards = []
    for client, account in enumerate(eight.accounts):
        judged = run.judgement(LIES_IN, account.address)
        if client in members:
            assert judged["gate_reason"].startswith("as a peer it gave a false score of 0x")
            assert (judged["smoothed_wad"], judged["weight_wad"], judged["reward_wei"]) == ("0", "0", "0")
        else:
            assert judged["gate_reason"] is None
            rewards.append(int(judged["reward_wei"]))
    cap = 2 * 1000 * WAD // len(eight.accounts)  # what it keeps back stays in the treasury
    assert sum(rewards) == pytest.approx(min(1000 * WAD, len(rewards) * cap))
    findings = run.evidence(LIES_IN)["false_scores"]
    assert {one["evaluator"] for one in findings} == {eight.accounts[client].address for client in members}
    assert len(run.report["rounds"][LIES_IN - 1]["false_scores"]) == len(findings) == 7 * len(members)
    done = RecordedRun.of(eight, run).verify()
    assert (done.scores, done.unchecked) == (2 * 7 * CLIENTS, [])


def test_without_an_audit_the_same_colluders_decide_reputations(
    eight: SmallFederation, honest: PlayedRun, tmp_path: Path
) -> None:
    members = (0, 1, 3, 4, 6, 7)
    settings = with_settings(eight, audit_share=0.0)
    run = eight.play(tmp_path, settings=settings, acts=colluding(eight, members, 0.4))
    assert moved(eight, run, honest, members) > 0.2
    assert run.evidence(LIES_IN)["false_scores"] == []
    recorded = RecordedRun.of(eight, run)
    with pytest.raises(Mismatch, match=r"scores.ndcg_gain_wad: it says that 0x.* gained .*, and the update gains"):
        recorded.verify()


def test_an_honest_run_has_no_findings(honest: PlayedRun) -> None:
    for server_round in (1, 2):
        assert honest.evidence(server_round)["false_scores"] == []
        assert honest.report["rounds"][server_round - 1]["false_scores"] == []


def test_an_audit_that_was_not_done_is_seen(
    eight: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.strategy.audit", lambda *_: ())
    settings = with_settings(eight, audit_share=1.0)
    run = RecordedRun.of(eight, eight.play(tmp_path, settings=settings, acts=colluding(eight, (2,), 0.4)))
    assert run.verify(restricted=False).rounds == 2  # the public part cannot know
    with pytest.raises(Mismatch, match="the audit was to look at this score and did not say so") as found:
        run.verify()
    assert found.value.account == eight.accounts[2].address


def test_a_false_accusation_is_seen(eight: SmallFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def accusing(scores: list[tuple[str, SignedScore]], *_: object) -> tuple[FalseScore, ...]:
        evaluator, signed = scores[3]
        said = (signed.score.ndcg_gain_wad, signed.score.hit_gain_wad)
        return (FalseScore(evaluator, signed.score.subject, signed.score.shard, said, (WAD // 2, WAD // 2)),)

    monkeypatch.setattr("server.strategy.audit", accusing)
    run = RecordedRun.of(eight, eight.play(tmp_path))
    assert run.verify(restricted=False).rounds == 2
    with pytest.raises(Mismatch, match=r"false_scores.ndcg_gain_wad: it says that 0x.* gains 0\.500000, and the"):
        run.verify()
