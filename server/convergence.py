"""When a run ends before its last round, and which of its models it ends with.

Both follow from the validation figures that clients report of the models they are sent, so the figure of a round's
model comes with the next round's replies, and a run stops a round later than it could have. They are the clients' word:
who lies about its own users can end a run early or have an earlier model chosen, but can change neither a model nor a
reward. With `train_on_validation` or `withhold_metrics` there are no such figures, and a run plays all its rounds.
"""

from collections.abc import Mapping, Sequence
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


def chosen_round(settings: Settings, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the round whose model the run ends with: the last, or under `keep` "best" the best on validation."""
    measured = [
        (index, figure) for index, figure in enumerate(_validation(settings, rows), start=1) if figure is not None
    ]
    return _best(measured) if settings.keep == "best" and measured else len(rows)


def _best(measured: Sequence[tuple[int, float]]) -> int:
    """Return the earliest round that no later one beats by `LEAST_GAIN`."""
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
