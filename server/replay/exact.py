"""The exact part of a round: everything that follows from signatures and signed scores, in integers and hashes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from eth_hash.auto import keccak

from common.commitment import check_signature, commitment_message, score_message
from common.errors import Rejected
from common.merkle import ascending, merkle_root
from server.aggregation import fusion_weights
from server.gates import CONTRADICTED, REASONS, owed_scores
from server.participation import updates_needed
from server.replay.false_scores import check_false_scores
from server.replay.invitation import check_invitation
from server.replay.mismatch import Mismatch, expect
from server.replay.public_round import PublicRound
from server.reputation import WAD
from server.score_audit import liars, scores_that_count
from server.seed_chain import committee_seed
from server.selection import Assignment, draw_committees, trusted_evaluators
from server.settlement import Judgement, RoundResult, Standing, commitment_root, reputation_root, reward_leaves, settle


@dataclass(frozen=True)
class Before:
    """Where a run stands before a round, as recomputed from the rounds before it.

    Attributes:
        model: Name of the model that the round must send.
        seed_link: s_(t-1); the anchor before round 1.
        standing: Reputations and rewards.
    """

    model: str
    seed_link: bytes
    standing: Standing


def replay_round(public: PublicRound, before: Before, probe_shards: Sequence[bytes]) -> Before:
    """Recompute a round and compare every field of its evidence.

    The gates, the next model's name and, where a run weighs by declared examples, their numbers are taken as they
    stand: they follow from the updates, which are not public. `restricted` checks them.

    Args:
        public: The evidence, as read.
        before: What the round starts from.
        probe_shards: Digests of the probe pool.

    Returns:
        What the next round starts from.

    Raises:
        Mismatch: the first field that does not follow.
    """
    t = public.server_round
    if t > public.settings.rounds:
        raise Mismatch(t, None, "round", f"the run was to have {public.settings.rounds} rounds")
    expect(t, None, "model", public.model, before.model)
    check_invitation(public, before.seed_link)
    _check_commitments(public)
    expect(t, None, "seed_link", keccak(public.seed_link), before.seed_link)
    _check_committees(public, before, probe_shards)
    _check_scores(public)
    check_false_scores(public)
    _check_gates(public)
    _check_example_counts(public)
    result = settle(
        scores_wad=_scores_by_subject(public),
        committee_sizes=_committee_sizes(public),
        gates_wad={account: public.judgements[account].gate_wad for account in public.commitments},
        example_counts=public.example_counts,
        before=before.standing,
        settings=public.settings,
        liars=liars(public.false_scores),
    )
    _check_judgements(public, result)
    _check_totals(public, result)
    if not any(fusion_weights(result.judgements, public.settings.aggregation).values()):
        expect(t, None, "next_model", public.next_model, public.model)  # nobody counted, so the model stays
    return Before(public.next_model, public.seed_link, result.standing)


def _check_commitments(public: PublicRound) -> None:
    t = public.server_round
    accounts = list(public.commitments)
    expect(t, None, "cohort", public.cohort, ascending(public.cohort))
    for account in accounts:
        if account not in public.cohort:
            raise Mismatch(t, account, "commitments.account", "it is not in the cohort")
    expect(t, None, "commitments", accounts, sorted(accounts))
    needed = updates_needed(public.settings)
    if accounts and len(accounts) < needed:
        raise Mismatch(t, None, "commitments", f"there are {len(accounts)}, fewer than the {needed} a round needs")
    for account, (commitment, signature) in public.commitments.items():
        message = commitment_message(public.domain, public.run_id, t, commitment)
        _check_signed(public, account, "commitments.signature", message, signature, account)
    commitments = {account: commitment for account, (commitment, _) in public.commitments.items()}
    expect(t, None, "commitment_root", public.commitment_root, commitment_root(public.cohort, commitments))


def _check_committees(public: PublicRound, before: Before, probe_shards: Sequence[bytes]) -> None:
    seed = committee_seed(public.seed_link, public.commitment_root)
    accounts = ascending(public.commitments)
    evaluators = trusted_evaluators(accounts, public.settings, before.standing.smoothed_wad)
    drawn = draw_committees(seed, accounts, evaluators, public.settings.committee_size, probe_shards)
    for said, expected in zip_longest(public.assignments, drawn):
        if said is None or expected is None:
            expect(public.server_round, None, "committees", len(public.assignments), len(drawn))
            return
        for field in ("subject", "evaluator", "shard"):
            expect(
                public.server_round,
                expected.subject,
                f"committees.{field}",
                getattr(said, field),
                getattr(expected, field),
            )


def _check_scores(public: PublicRound) -> None:
    t = public.server_round
    open_tasks = set(public.assignments)
    asked = {(one.subject, one.evaluator) for one in public.assignments}
    for evaluator, signed in public.scores:
        score = signed.score
        task = Assignment(score.subject, evaluator, score.shard)
        if task not in open_tasks:
            field = "shard" if (score.subject, evaluator) in asked else "subject"
            raise Mismatch(t, evaluator, f"scores.{field}", f"it was not asked to score {score.subject} on that shard")
        open_tasks.remove(task)
        for name, gain in (("ndcg_gain_wad", score.ndcg_gain_wad), ("hit_gain_wad", score.hit_gain_wad)):
            if not -WAD <= gain <= WAD:
                raise Mismatch(t, evaluator, f"scores.{name}", "it lies outside [-1, 1]")
        message = score_message(public.domain, public.run_id, t, score)
        _check_signed(public, evaluator, "scores.signature", message, signed.signature, evaluator)


def _check_signed(
    public: PublicRound, account: str, field: str, message: object, signature: bytes, signer: str
) -> None:
    try:
        check_signature(message, signature, signer)  # type: ignore[arg-type]
    except Rejected as reason:
        raise Mismatch(public.server_round, account, field, str(reason)) from reason


def owed_by(public: PublicRound) -> dict[str, str]:
    """Return the accounts that owe scores or gave false ones, with the reason that closes their gates."""
    given = Counter(evaluator for evaluator, _ in public.scores)
    return owed_scores(public.assignments, given) | liars(public.false_scores)


def _check_gates(public: PublicRound) -> None:
    expect(public.server_round, None, "judgements", list(public.judgements), sorted(public.cohort))
    owed = owed_by(public)
    for account, judged in public.judgements.items():
        sent, reason = account in public.commitments, public.gate_reasons.get(account)
        if reason is not None and not sent:
            raise Mismatch(public.server_round, account, "judgements.gate_reason", "it sent nothing to be judged")
        if account in owed or reason not in (None, *REASONS):  # which follow from the updates
            expect(public.server_round, account, "judgements.gate_reason", reason, owed.get(account))
        if reason == CONTRADICTED and 0 <= judged.gate_wad < WAD:  # how much it left follows from the updates, too
            continue
        gate_wad = WAD if sent and reason is None else 0
        expect(public.server_round, account, "judgements.gate_wad", judged.gate_wad, gate_wad)


def _check_example_counts(public: PublicRound) -> None:
    counted = sorted(public.commitments) if public.settings.aggregation == "fedavg" else []
    expect(public.server_round, None, "example_counts", list(public.example_counts), counted)
    for account, examples in public.example_counts.items():
        if examples < 0:
            raise Mismatch(public.server_round, account, "example_counts.examples", "it is negative")


def _scores_by_subject(public: PublicRound) -> dict[str, list[int]]:
    by_subject: dict[str, list[int]] = {account: [] for account in public.commitments}
    for subject, score in scores_that_count(public.scores, public.false_scores):
        by_subject[subject].append(score)
    return by_subject


def _committee_sizes(public: PublicRound) -> dict[str, int]:
    sizes = dict.fromkeys(public.commitments, 0)
    for one in public.assignments:
        sizes[one.subject] += 1
    return sizes


def _check_judgements(public: PublicRound, result: RoundResult) -> None:
    for account, expected in result.judgements.items():
        said = public.judgements[account]
        for field in Judgement.__dataclass_fields__:
            expect(public.server_round, account, f"judgements.{field}", getattr(said, field), getattr(expected, field))
        earned = result.standing.cumulative_wei[account]
        expect(public.server_round, account, "judgements.cumulative_wei", public.cumulative_wei[account], earned)


def _check_totals(public: PublicRound, result: RoundResult) -> None:
    t = public.server_round
    expect(t, None, "scale_wad", public.scale_wad, result.standing.scale_wad)
    expect(t, None, "pool_wei", public.pool_wei, result.pool_wei)
    expect(t, None, "rewarded_wei", public.rewarded_wei, result.rewarded_wei)
    expect(t, None, "reputation_root", public.reputation_root, reputation_root(public.cohort, result.judgements))
    rewards = merkle_root(reward_leaves(public.cohort, result.standing.cumulative_wei))
    expect(t, None, "reward_root", public.reward_root, rewards)
