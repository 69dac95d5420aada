"""The findings of a round's audit: what they must look like, and whether they are true."""

from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound
from server.reputation import WAD
from server.score_audit import FalseScore, RecomputedGains, drawn, is_false
from server.seed_chain import committee_seed


def check_false_scores(public: PublicRound) -> None:
    """Compare every finding with the signed score that it is about. Whether it is true follows from the updates.

    Raises:
        Mismatch: a finding is about no score of the round, or what was said is not what was signed, or is not false.
    """
    t, pairs = public.server_round, public.settings.probe_pairs
    left = {(one.evaluator, one.subject): one for one in public.false_scores}
    if public.false_scores and not public.settings.audit_share:
        raise Mismatch(t, None, "false_scores", "the settings ask for no audit")
    ordered = []
    for evaluator, signed in public.scores:
        one = left.pop((evaluator, signed.score.subject), None)
        if one is None:
            continue
        ordered.append(one)
        expect(t, evaluator, "false_scores.shard", one.shard, signed.score.shard)
        expect(t, evaluator, "false_scores.said_ndcg_gain_wad", one.said[0], signed.score.ndcg_gain_wad)
        expect(t, evaluator, "false_scores.said_hit_gain_wad", one.said[1], signed.score.hit_gain_wad)
        if not all(-WAD <= gain <= WAD for gain in one.recomputed):
            raise Mismatch(t, evaluator, "false_scores", "what was recomputed lies outside [-1, 1]")
        if not is_false(one.said, one.recomputed, pairs):
            raise Mismatch(t, evaluator, "false_scores", f"its score of {one.subject} is within the tolerance")
    for evaluator, subject in left:
        raise Mismatch(t, evaluator, "false_scores.subject", f"the round has no score of {subject} by it")
    expect(t, None, "false_scores", public.false_scores, tuple(ordered))


def recheck_scores(public: PublicRound, recompute: RecomputedGains) -> float:
    """Compute every score of the round again, and every finding.

    Returns:
        The largest difference between a signed gain that stands, or a finding, and the recomputed one.

    Raises:
        Mismatch: an evaluator said what its update does not gain, and no finding says so, or a finding is not true.
    """
    t, pairs = public.server_round, public.settings.probe_pairs
    findings = {(one.evaluator, one.subject): one for one in public.false_scores}
    asked = drawn(public.scores, committee_seed(public.seed_link, public.commitment_root), public.settings.audit_share)
    largest = 0.0
    for at in sorted(range(len(public.scores)), key=lambda at: public.scores[at][1].score.subject):
        evaluator, signed = public.scores[at]
        subject = signed.score.subject
        try:
            gains = recompute(subject, signed.score.shard)
        except KeyError as missing:
            raise Mismatch(t, None, "probe pool", "the one at hand lacks a shard of this round") from missing
        finding = findings.get((evaluator, subject))
        said = (signed.score.ndcg_gain_wad, signed.score.hit_gain_wad) if finding is None else finding.recomputed
        for name, one, found in zip(("ndcg_gain_wad", "hit_gain_wad"), said, gains, strict=True):
            largest = max(largest, abs(one - found) / WAD)
            if is_false((one,), (found,), pairs):
                raise _untrue(t, evaluator, subject, name, one, found, finding, audited=at in asked)
    return largest


def _untrue(
    server_round: int,
    evaluator: str,
    subject: str,
    name: str,
    said: int,
    found: int,
    finding: FalseScore | None,
    *,
    audited: bool,
) -> Mismatch:
    if finding is not None:
        reason = f"it says that {subject} gains {said / WAD:.6f}, and the update gains {found / WAD:.6f}"
        return Mismatch(server_round, evaluator, f"false_scores.{name}", reason)
    missed = "; the audit was to look at this score and did not say so" if audited else ""
    reason = f"it says that {subject} gained {said / WAD:.6f}, and the update gains {found / WAD:.6f}{missed}"
    return Mismatch(server_round, evaluator, f"scores.{name}", reason)
