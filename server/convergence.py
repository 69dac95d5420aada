"""When a run ends before its last round, and which of its models it ends with.

Both follow from the validation figures that clients report of the models they are sent, so the figure of a round's
model comes with the next round's replies, and a run stops a round later than it could have. They are the clients' word:
who lies about its own users can end a run early or have an earlier model chosen, but can change neither a model nor a
reward. With `train_on_validation` or `withhold_metrics` there are no such figures, and a run plays all its rounds.

The gate of a warm start: NCF may do worse than the model it started from, which is one of the run's models and has a
figure like the others. Unless the settings say otherwise such a run ends with its best model, which is never below its
start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.config import Settings

LEAST_GAIN = 1e-4
"""A model is better than an earlier one where its figure is higher by this much; less is noise on any data set here."""


def stop_reason(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Say why no further round is played, None where one is.

    [Wang et al., 3.4: training ends on convergence or by a preset criterion.]

    Args:
        settings: With `patience` and `target`; each is off at 0.
        rows: The report's, one for each settled round.
    """
    figures = _validation(settings, rows)
    measured = [(index, figure) for index, figure in enumerate(figures, start=1) if figure is not None]
    if not measured:
        return None
    last, figure = measured[-1]
    if settings.target and figure >= _aim(settings):
        return f"the model of round {last} has reached the target {settings.target:g}"
    best = _best(measured)
    if settings.patience and last - best >= settings.patience:
        return f"no model of {settings.patience} rounds was better than that of round {best}"
    return None


LAST = "the last"
"""Why a model was chosen where nothing else was asked for."""


@dataclass(frozen=True)
class Choice:
    """The model that a run ends with.

    Attributes:
        server_round: Whose it is.
        reason: Why, as a phrase without a full stop.
    """

    server_round: int
    reason: str


def choose_round(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> Choice:
    """Choose among the models of the rounds played: the last, or by `keep` the first of the best on validation.

    Without any validation figure it is the last, whatever the settings say.

    Args:
        settings: With `keep`; "auto" means the best after a warm start, and the last otherwise.
        rows: The report's, one for each settled round, that of the last model measured like the others.
    """
    last, wants_best = len(rows), settings.keep == "best" or (settings.keep == "auto" and settings.warm_started)
    if not wants_best:
        return Choice(last, LAST)
    figures = _validation(settings, rows)
    highest = max((figure for figure in figures if figure is not None), default=None)
    if highest is None:
        unknown = ", and whether it is better than what its warm start ended with" if settings.warm_started else ""
        return Choice(last, f"the last, because there are no validation figures: which is best{unknown} is not known")
    best = figures.index(highest) + 1
    return Choice(best, f"the best on validation{_against_its_start(settings, rows, best)}")


def _against_its_start(settings: Settings, rows: Sequence[Mapping[str, Any]], best: int) -> str:
    """Say how the chosen model compares with the last one of the warm start; "" where that is not known."""
    start = _end_of_warm_start(settings, rows)
    if start is None:
        return ""
    if best <= start:
        return f": NCF did not pass the model of round {start}, which it started from"
    figures = _validation(settings, rows)
    chosen, before = figures[best - 1], figures[start - 1]
    if chosen is None or before is None:
        return ""
    return f", NDCG@10 {chosen:.4f}; NCF started from the model of round {start}, {before:.4f}"


def _end_of_warm_start(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the round of the last model before NCF; None where there is none, or NCF has made none after it."""
    if not settings.warm_started:
        return None
    counted = [index for index, row in enumerate(rows, start=1) if any(row["weight"].values())]
    return counted[settings.warm_start_rounds - 1] if len(counted) > settings.warm_start_rounds else None


def _best(measured: Sequence[tuple[int, float]]) -> int:
    """Return the earliest round that no later one beats by `LEAST_GAIN`: what counts for patience."""
    best, highest = measured[0]
    for index, figure in measured[1:]:
        if figure > highest + LEAST_GAIN:
            best, highest = index, figure
    return best


def _validation(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Return each model's figure, higher being better: NDCG@10, or the negative RMSE of a model of ratings."""
    if settings.model == "mf":
        return [None if (rmse := row.get("validation_rmse")) is None else -rmse for row in rows]
    return [row.get("validation_ndcg_at_10") for row in rows]


def _aim(settings: Settings) -> float:
    return -settings.target if settings.model == "mf" else settings.target
