"""From signed scores to reputations and weights: T-FedRS equations 2 to 4, in integers.

Everything here is exact: 1.0 is the integer WAD, divisions round down, and the same scores give the same result on
every machine, so that anybody can recompute it. Scores are gains over the model that was sent, because absolute
metrics would pay the idle: a zero update leaves a good model good.
"""

from collections.abc import Iterable, Mapping, Sequence

WAD = 10**18
LEAST_SCALE_WAD = WAD // 20


def score_wad(ndcg_gain_wad: int, hit_gain_wad: int) -> int:
    """Return one peer's score m of one update: the mean of its gains in NDCG@10 and in the hit ratio at 10.

    T-FedRS 3.5 names both metrics and does not say how they meet; the mean lets neither be neglected.
    """
    return (ndcg_gain_wad + hit_gain_wad) // 2


def median_wad(scores: Sequence[int]) -> int:
    """Consolidate a committee's scores by their median [T-FedRS, eq. 2].

    Guarantees:
        Fewer than half of the scores, however chosen, cannot move it beyond the others' range.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("no scores to consolidate")
    ordered = sorted(scores)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) // 2


def trimmed_mean_wad(scores: Sequence[int]) -> int:
    """Consolidate a committee's scores by the mean without the highest and lowest fifth [T-FedRS, eq. 2].

    From three scores on at least one is cut off on each side.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("no scores to consolidate")
    cut = max(len(scores) // 5, 1) if len(scores) > 2 else 0
    kept = sorted(scores)[cut : len(scores) - cut]
    return sum(kept) // len(kept)


def enough_signatures(committee: int, valid: int) -> bool:
    """Tell whether `valid` scores of a committee of that size make a judgement: more than half must be there."""
    return valid >= committee // 2 + 1


def learning_scale(consolidated_wad: Iterable[int], scale_before_wad: int) -> int:
    """Return D of this round: the largest median gain of any round so far, and never below 0.05.

    It measures what there is to lose: about what the model has learnt since it started. Later gains are noise around
    or below zero, and their own spread would tell honest clients apart by luck.
    """
    medians = [median_wad(scores)] if (scores := list(consolidated_wad)) else []
    return max(scale_before_wad, LEAST_SCALE_WAD, *medians)


def calibrate(consolidated_wad: Mapping[str, int], scale_wad: int) -> dict[str, int]:
    """Map consolidated scores M to reputations R of this round [T-FedRS, eq. 3].

    R_k = clamp(1 - (hi - M_k) / D, 0, 1), hi = median of M, D = `learning_scale`

    The paper leaves the mapping open. It is relative to the cohort's median, so that late rounds, whose gains are
    small or below zero for everybody, still tell clients apart and starve nobody: whoever reaches the median has 1.
    How the scale was chosen, and why it is not the scores' own spread: docs/decisions/0003-calibration.md.

    Args:
        consolidated_wad: One score per account, WAD.
        scale_wad: D of this round, at least the median.

    Guarantees:
        Values lie in [0, WAD], and at least half of the accounts have WAD.
        A higher M_k raises or keeps R_k, and lowers or keeps every other R.
        The order of accounts changes nothing.
    """
    if not consolidated_wad:
        return {}
    high = median_wad(list(consolidated_wad.values()))
    return {
        account: max(0, min(WAD, WAD * (scale_wad - high + score) // scale_wad))
        for account, score in consolidated_wad.items()
    }


def smooth(previous_wad: int, calibrated_wad: int, gamma_wad: int) -> int:
    """Return S_t = gamma S_{t-1} + (1 - gamma) R_t, with S_0 = 0 [T-FedRS, eq. 4]."""
    return (gamma_wad * previous_wad + (WAD - gamma_wad) * calibrated_wad) // WAD


def aggregation_weight(earned_wad: int, smoothed_wad: int, floor_wad: int) -> int:
    """Return min(R_t, S_t), R_t as the gates leave it, before normalisation; below the floor of S_t it is zero.

    The paper weights by R_t alone (eq. 8's w), so that one good round buys full weight; by S_t alone an on-off
    attacker could spend its past. The minimum closes both. The floor keeps the many little weights of clients that are
    hardly trusted from adding up.
    """
    return min(earned_wad, smoothed_wad) if smoothed_wad >= floor_wad else 0


def normalise(weights_wad: Mapping[str, int]) -> dict[str, int]:
    """Scale weights to a sum of at most WAD, short of it only by rounding; all zero stays all zero."""
    total = sum(weights_wad.values())
    if total == 0:
        return dict.fromkeys(weights_wad, 0)
    return {account: WAD * weight // total for account, weight in weights_wad.items()}


def share_pool(pool_wei: int, smoothed_wad: Mapping[str, int], most_wei: int) -> dict[str, int]:
    """Share a round's pool in proportion to smoothed reputation [T-FedRS 3.6].

    Args:
        pool_wei: Tokens to share, in wei.
        smoothed_wad: Smoothed reputation of each client accepted this round; the absent are not in it.
        most_wei: What one client gets at most.

    Guarantees:
        The shares' sum is at most the pool; what the cap and rounding leave stays in the treasury.
        All reputations zero: nobody is paid.
    """
    total = sum(smoothed_wad.values())
    if total == 0:
        return dict.fromkeys(smoothed_wad, 0)
    return {account: min(most_wei, pool_wei * reputation // total) for account, reputation in smoothed_wad.items()}
