"""report.json: the numbers of a run, under keys that stay."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import fsum
from typing import Any

from common.accounting import PrivacyStatement
from common.config import Settings
from common.rating_metrics import with_rmse
from server.evidence import RoundEvidence


@dataclass(frozen=True)
class RoundCost:
    """What a round cost.

    Attributes:
        train_seconds, score_seconds: Wall time of the two message phases.
        settle_seconds: Wall time of verification and fusion; the recorder adds its own.
        bytes_up, bytes_down: Models and updates from and to the clients.
    """

    train_seconds: float
    score_seconds: float
    settle_seconds: float
    bytes_up: int
    bytes_down: int


@dataclass(frozen=True)
class Chosen:
    """The model that a run ends with.

    Attributes:
        server_round: Whose it is; while the run goes on, the last settled round.
        reason: Why this one, as `server.convergence.choose_round` puts it.
        stop_reason: Why the run ended before its last round, None where it has not.
    """

    server_round: int
    reason: str
    stop_reason: str | None


def mean_metrics(reported: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average clients' own figures over their users, which equals measuring all users at once.

    A figure that some clients leave out is the mean over the users of the others.
    Of ratings the squared errors are averaged, and RMSE is the root of that mean: `test_rmse` stands for `test_mse`.
    The sums are exact (`math.fsum`), so the order in which clients answer does not show in the last digits.

    Args:
        reported: For each client `validation_users`, `test_users` and means such as `test_full_ndcg_at_10`.
    """
    totals: dict[str, list[float]] = {}
    users: dict[str, float] = {}
    for figures in reported:
        for split in ("validation", "test"):
            count = figures.get(f"{split}_users", 0.0)
            for name, value in figures.items():
                if name.startswith(f"{split}_") and name != f"{split}_users":
                    totals.setdefault(name, []).append(count * value)
                    users[name] = users.get(name, 0.0) + count
    return with_rmse({name: fsum(parts) / users[name] for name, parts in totals.items() if users[name]})


def round_row(evidence: RoundEvidence, cost: RoundCost, privacy: PrivacyStatement) -> dict[str, Any]:
    """Return a round's row without its metrics, which clients measure only when the model reaches them.

    Args:
        evidence: What happened.
        cost: What it cost.
        privacy: What holds after this round.
    """
    judged = evidence.result.judgements
    return {
        "round": evidence.task.server_round,
        "seconds": round(cost.train_seconds + cost.score_seconds + cost.settle_seconds, 3),
        "train_seconds": round(cost.train_seconds, 3),
        "score_seconds": round(cost.score_seconds, 3),
        "settle_seconds": round(cost.settle_seconds, 3),
        "hit_ratio_at_10": None,
        "ndcg_at_10": None,
        "full_ndcg_at_10": None,
        "validation_ndcg_at_10": None,
        "bytes_up": cost.bytes_up,
        "bytes_down": cost.bytes_down,
        "participants": len(evidence.updates),
        "took_part": sorted(evidence.updates),
        "asked": sorted(evidence.invitation.asked) or None,
        "gain": {
            account: judgement.consolidated_wad / 1e18
            for account, judgement in judged.items()
            if judgement.consolidated_wad is not None
        },
        "calibrated": {account: judgement.calibrated_wad / 1e18 for account, judgement in judged.items()},
        "reputation": {account: judgement.smoothed_wad / 1e18 for account, judgement in judged.items()},
        "weight": {account: judgement.weight_wad / 1e18 for account, judgement in judged.items()},
        "reward": {account: str(judgement.reward_wei) for account, judgement in judged.items()},
        "rejected": [
            {"account": account, "reason": reason}
            for account, reason in (*evidence.rejected, *sorted(evidence.gate_reasons.items()))
        ],
        "false_scores": [{"evaluator": one.evaluator, "subject": one.subject} for one in evidence.false_scores],
        "model": evidence.next_model,
        "gas": None,
        "epsilon_aggregate": privacy.epsilon_aggregate,
    }


def add_metrics(row: dict[str, Any], metrics: Mapping[str, float]) -> None:
    """Fill a row with what the clients measured of its model."""
    for key, name in (
        ("hit_ratio_at_10", "test_hit_ratio_at_10"),
        ("ndcg_at_10", "test_ndcg_at_10"),
        ("full_hit_ratio_at_10", "test_full_hit_ratio_at_10"),
        ("full_ndcg_at_10", "test_full_ndcg_at_10"),
        ("validation_ndcg_at_10", "validation_ndcg_at_10"),
        ("validation_full_ndcg_at_10", "validation_full_ndcg_at_10"),
    ):
        row[key] = metrics.get(name)
    for key, name in (
        ("rmse", "test_rmse"),
        ("mae", "test_mae"),
        ("validation_rmse", "validation_rmse"),
        ("validation_mae", "validation_mae"),
    ):
        if name in metrics:  # measured only where the model predicts ratings
            row[key] = metrics[name]
    for key, name in (
        ("personal_hit_ratio_at_10", "test_personal_hit_ratio_at_10"),
        ("personal_ndcg_at_10", "test_personal_ndcg_at_10"),
        ("personal_full_ndcg_at_10", "test_personal_full_ndcg_at_10"),
        ("validation_personal_ndcg_at_10", "validation_personal_ndcg_at_10"),
    ):
        if name in metrics:  # measured only where clients personalise
            row[key] = metrics[name]


def build_report(
    settings: Settings,
    rows: list[dict[str, Any]],
    final: Mapping[str, float],
    ledger: dict[str, Any],
    privacy: PrivacyStatement,
    chosen: Chosen,
) -> dict[str, Any]:
    """Return the report.

    Args:
        settings: The run's settings.
        rows: One for each settled round.
        final: `mean_metrics` of the chosen model; empty while the run goes on.
        ledger: kind, chain_id, address, settled_rounds, verified.
        privacy: What holds after these rounds.
        chosen: The model that `final` is of.
    """
    return {
        "dataset": settings.dataset,
        "model": settings.model,
        "clients": settings.clients,
        "seed": settings.seed,
        "rounds": rows,
        "chosen_round": chosen.server_round,
        "chosen_as": chosen.reason,
        "stopped_early": chosen.stop_reason,
        "metrics_withheld": settings.withhold_metrics,
        "final": {name.removeprefix("test_"): value for name, value in final.items() if name.startswith("test_")},
        "final_validation": {
            name.removeprefix("validation_"): value for name, value in final.items() if name.startswith("validation_")
        },
        "ledger": ledger,
        "privacy": asdict(privacy),
    }
