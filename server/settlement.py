"""What a round comes to: from the valid scores to weights, rewards and the roots that go on chain.

Integers only, and nothing but its arguments: the coordinator settles with it and a verifier settles again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from common.config import Settings
from common.merkle import commitment_leaf, merkle_root, reputation_leaf, reward_leaf
from server import reputation
from server.reputation import WAD
from server.selection import trusted_evaluators

_CONSOLIDATIONS = {"median": reputation.median_wad, "trimmed-mean": reputation.trimmed_mean_wad}


@dataclass(frozen=True)
class Standing:
    """What an account carries from round to round.

    Attributes:
        smoothed_wad: Smoothed reputation S of each account of the cohort.
        cumulative_wei: All that each account earned on this ledger, claimed or not.
        carried_wei: Tokens of rounds in which nobody could be paid.
        scale_wad: The learning scale so far, `server.reputation.learning_scale`.
    """

    smoothed_wad: Mapping[str, int]
    cumulative_wei: Mapping[str, int]
    carried_wei: int
    scale_wad: int

    @classmethod
    def at_start(cls, cohort: Sequence[str], earned_before_wei: Mapping[str, int]) -> "Standing":
        """Nobody has a reputation; rewards of earlier runs of the ledger stay."""
        return cls(dict.fromkeys(cohort, 0), {account: earned_before_wei.get(account, 0) for account in cohort}, 0, 0)


@dataclass(frozen=True)
class Judgement:
    """One client's round, in integers; who was not judged has no consolidated score and weighs nothing."""

    consolidated_wad: int | None
    calibrated_wad: int
    gate_wad: int
    smoothed_wad: int
    weight_wad: int
    reward_wei: int


@dataclass(frozen=True)
class RoundResult:
    """What the round decides: every account of the cohort has a judgement."""

    judgements: Mapping[str, Judgement]
    standing: Standing
    pool_wei: int
    rewarded_wei: int


def settle(
    scores_wad: Mapping[str, Sequence[int]],
    committee_sizes: Mapping[str, int],
    gates_wad: Mapping[str, int],
    example_counts: Mapping[str, int],
    before: Standing,
    settings: Settings,
    liars: Collection[str] = (),
) -> RoundResult:
    """Judge every client of the cohort.

    Args:
        scores_wad: The valid scores of each update of the round, one per peer.
        committee_sizes: How many peers were asked about each update.
        gates_wad: What the gates leave of the reputation that each update earns, in [0, WAD].
        example_counts: Declared training examples; only `--aggregation fedavg` looks at them.
        before: The standing after the round before.
        settings: Consolidation, smoothing, aggregation and the pool.
        liars: Who gave a false score, and so has no reputation left, whatever its own update earned.

    Guarantees:
        A higher score never lowers its subject's own reputation, weight or reward of this round, and never raises
        another's reputation. Another's share can still rise: where the median rises, whoever is below it falls, and
        all others share what it loses. (Over several rounds there is no such guarantee: a higher median widens the
        scale, and later rounds are more lenient to those below theirs.)
        The rewards' sum is at most the pool, and what nobody was paid is carried over.
        Scoring is part of the work: who is not trusted with it in this round is not paid in it.
        The order of accounts and of scores changes nothing.
    """
    gamma_wad = int(Fraction(str(settings.smoothing)) * WAD)
    falling_wad = int(Fraction(str(settings.falling_smoothing)) * WAD)
    floor_wad = int(Fraction(str(settings.reputation_floor)) * WAD)
    full = settings.defence == "full"
    consolidate = _CONSOLIDATIONS[settings.consolidation]
    consolidated = {
        account: consolidate(scores)
        for account, scores in scores_wad.items()
        if reputation.enough_signatures(committee_sizes[account], len(scores))
    }
    scale_wad = reputation.learning_scale(consolidated.values(), before.scale_wad)
    calibrated = reputation.calibrate(consolidated, scale_wad)
    earned = {account: value * gates_wad[account] // WAD for account, value in calibrated.items()}
    smoothed = {
        account: reputation.smooth(
            before.smoothed_wad[account],
            value,
            falling_wad if full and value < before.smoothed_wad[account] else gamma_wad,
        )
        for account, value in earned.items()
    } | dict.fromkeys(liars, 0)
    if settings.aggregation == "fedavg":
        raw_weights = {account: example_counts[account] for account in scores_wad}
    else:
        raw_weights = {
            account: reputation.aggregation_weight(value, smoothed[account], floor_wad) if full else value
            for account, value in earned.items()
        }
    weights = reputation.normalise(raw_weights)
    scorers = set(trusted_evaluators(list(scores_wad), settings, before.smoothed_wad))
    accepted = {
        account: smoothed[account] for account in smoothed if raw_weights.get(account, 0) > 0 and account in scorers
    }
    pool_wei = settings.reward_per_round * WAD + before.carried_wei
    most_wei = int(Fraction(str(settings.reward_cap)) * pool_wei) // max(1, len(scores_wad)) if full else pool_wei
    rewards = reputation.share_pool(pool_wei, accepted, most_wei)
    rewarded_wei = sum(rewards.values())
    judgements = {
        account: Judgement(
            consolidated.get(account),
            calibrated.get(account, 0),
            gates_wad.get(account, 0),
            smoothed.get(account, before.smoothed_wad[account]),
            weights.get(account, 0),
            rewards.get(account, 0),
        )
        for account in before.smoothed_wad
    }
    after = Standing(
        {account: judged.smoothed_wad for account, judged in judgements.items()},
        {account: before.cumulative_wei[account] + judged.reward_wei for account, judged in judgements.items()},
        0 if rewarded_wei else pool_wei,
        scale_wad,
    )
    return RoundResult(judgements, after, pool_wei, rewarded_wei)


def commitment_root(cohort: Sequence[str], commitments: Mapping[str, bytes]) -> bytes:
    """Root over everybody's commitment; `cohort` is ascending, and who sent none has 32 zero bytes."""
    return merkle_root(
        [commitment_leaf(index, account, commitments.get(account, bytes(32))) for index, account in enumerate(cohort)]
    )


def reputation_root(cohort: Sequence[str], judgements: Mapping[str, Judgement]) -> bytes:
    """Root over everybody's judgement; an update without one counts as consolidated at 0."""
    leaves = []
    prefix_wad = 0
    for index, account in enumerate(cohort):
        judged = judgements[account]
        prefix_wad += judged.smoothed_wad
        leaves.append(
            reputation_leaf(
                index,
                account,
                judged.consolidated_wad or 0,
                judged.calibrated_wad,
                judged.gate_wad,
                judged.smoothed_wad,
                prefix_wad,
            )
        )
    return merkle_root(leaves)


def reward_leaves(cohort: Sequence[str], cumulative_wei: Mapping[str, int]) -> list[bytes]:
    """Leaves of the reward tree, from which a participant's proof is made."""
    return [reward_leaf(index, account, cumulative_wei[account]) for index, account in enumerate(cohort)]
