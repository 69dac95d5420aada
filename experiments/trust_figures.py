"""Whether a run told honest clients from malicious ones: figures from the evidence of its rounds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

WAD = 10**18
DETECTED_BELOW = 1 / 4
"""Of the honest median weight: an attacker below it counts as found out."""


@dataclass(frozen=True)
class ClientRound:
    """One client in one round, as its evidence has it.

    Fields:
        gain: Consolidated gain M on the probe, None where it was not judged.
        calibrated: R of the round, in [0, 1].
        reputation: S after the round, in [0, 1].
        weight: Its share of the fusion, in [0, 1].
        reward_wei: What it earned.
        penalised: It was asked, and its weight was zero, its gate was lowered, or its update was rejected.
    """

    gain: float | None
    calibrated: float
    reputation: float
    weight: float
    reward_wei: int
    penalised: bool


Rounds = Sequence[Mapping[str, ClientRound]]
"""For each round every account that it asked."""


def rounds_of(evidence: Sequence[Mapping[str, Any]]) -> list[dict[str, ClientRound]]:
    """Read the judgements of evidence files; who was not asked is left out of a round."""
    return [_round(one) for one in evidence]


def auc(honest: Sequence[float], malicious: Sequence[float]) -> float | None:
    """Return the chance that an honest client stands above a malicious one, ties counting half; None without either."""
    if not honest or not malicious:
        return None
    wins = sum(1.0 if good > bad else 0.5 if good == bad else 0.0 for good in honest for bad in malicious)
    return wins / (len(honest) * len(malicious))


def reputation_aucs(rounds: Rounds, malicious: Collection[str]) -> list[float | None]:
    """Return the AUC of the smoothed reputation after each round."""
    return [auc(*_apart({account: one.reputation for account, one in judged.items()}, malicious)) for judged in rounds]


def rounds_to_detection(rounds: Rounds, malicious: Collection[str]) -> int | None:
    """Return the first round in which the median malicious weight is under a quarter of the honest one; None: never."""
    for number, judged in enumerate(rounds, 1):
        honest, bad = _apart({account: one.weight for account, one in judged.items()}, malicious)
        if honest and bad and median(bad) < DETECTED_BELOW * median(honest):
            return number
    return None


def false_penalties(rounds: Rounds, malicious: Collection[str]) -> float | None:
    """Return the share of the honest client-rounds that were penalised."""
    honest = [one.penalised for judged in rounds for account, one in judged.items() if account not in malicious]
    return fmean(honest) if honest else None


def reward_share(rounds: Rounds, malicious: Collection[str]) -> float | None:
    """Return the malicious clients' share of all that was paid; None where nothing was paid or nobody is malicious."""
    paid = {True: 0, False: 0}
    for judged in rounds:
        for account, one in judged.items():
            paid[account in malicious] += one.reward_wei
    total = sum(paid.values())
    return paid[True] / total if total and malicious else None


@dataclass(frozen=True)
class Bound:
    """The two sides of T-FedRS, eq. 8, as they were measured.

        sum_t sum_{k in A} w_k eps_k  <=  (R_A / R_H) sum_t sum_{j in H} w_j eps_j

    w is the settled weight. eps_k is taken to be |M_k|: by how much client k's update alone moves the ranking loss on
    the probe, 1 - (NDCG@10 + HR@10) / 2, whichever way, by its committee's consolidated gain. The paper bounds E[R]:
    R_A is the greatest mean over the rounds of R of an attacker, R_H the least of an honest client. Who was not judged
    in a round has no eps in it, and R 0.

    Fields:
        left: The left side.
        honest_sum: The sum on the right.
        attackers_r, honest_r: R_A and R_H.
    """

    left: float
    honest_sum: float
    attackers_r: float
    honest_r: float

    @property
    def right(self) -> float | None:
        """The right side; None where R_H is 0 and the bound says nothing."""
        return self.attackers_r / self.honest_r * self.honest_sum if self.honest_r > 0 else None


def bound_of(rounds: Rounds, malicious: Collection[str]) -> Bound | None:
    """Measure both sides of eq. 8; None where either side has nobody."""
    moved: dict[bool, float] = {True: 0.0, False: 0.0}
    calibrated: dict[str, list[float]] = {}
    for judged in rounds:
        for account, one in judged.items():
            moved[account in malicious] += one.weight * abs(one.gain or 0.0)
            calibrated.setdefault(account, []).append(one.calibrated)
    honest, bad = _apart({account: fmean(values) for account, values in calibrated.items()}, malicious)
    return Bound(moved[True], moved[False], max(bad), min(honest)) if honest and bad else None


def _round(evidence: Mapping[str, Any]) -> dict[str, ClientRound]:
    asked = set(evidence["asked"] or evidence["cohort"])
    rejected = {entry["account"] for entry in evidence["rejected"]}
    return {
        one["account"]: ClientRound(
            gain=None if one["consolidated_wad"] is None else int(one["consolidated_wad"]) / WAD,
            calibrated=int(one["calibrated_wad"]) / WAD,
            reputation=int(one["smoothed_wad"]) / WAD,
            weight=int(one["weight_wad"]) / WAD,
            reward_wei=int(one["reward_wei"]),
            penalised=int(one["weight_wad"]) == 0 or int(one["gate_wad"]) < WAD or one["account"] in rejected,
        )
        for one in evidence["judgements"]
        if one["account"] in asked
    }


def _apart(values: Mapping[str, float], malicious: Collection[str]) -> tuple[list[float], list[float]]:
    """Return the values of the honest and of the malicious."""
    honest = [value for account, value in values.items() if account not in malicious]
    return honest, [value for account, value in values.items() if account in malicious]
