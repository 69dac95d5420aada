"""Where our defence loses: to another one, or to the aims that were set for it. Found in the figures, not by hand."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import partial
from operator import itemgetter

from common.metrics import CUTOFFS
from experiments.defences.table import OURS, title
from experiments.robustness_cells import CLEAN
from experiments.robustness_figures import Figure, Figures, final_auc

MARGIN = 0.005
"""Half a point: what is closer is a tie."""
KEPT, KEPT_CLEAN = 0.96, 0.99
EXPOSURE_RISE, PATIENT_EXPOSURE_RISE = 0.01, 0.05
REWARD_SHARE, FALSE_PENALTIES, REPUTATION_MOVED = 0.15, 0.01, 0.05
AUCS = (
    ("label-flip*", 0.95),
    ("sign-flip*", 0.95),
    ("gaussian*", 0.95),
    ("*zero*", 0.95),
    ("push-boost*", 0.95),
    ("adaptive*", 0.75),
)
"""The least reputation AUC at the end, by attack."""
PATIENT = ("adaptive*", "on-off*")
"""Attacks that push slowly or late, to which more is conceded."""
LIARS = ("evaluators-*",)
"""Attacks that train honestly and lie as peers."""


def losses(figures: Figures) -> list[str]:
    """Return a sentence for every attack and share at which another defence does better than ours."""
    return [
        sentence
        for beta in figures.betas
        for attack in (figures.attacks if beta else [CLEAN])
        for sentence in _beaten(figures, attack, beta)
    ]


def missed_aims(figures: Figures) -> list[str]:
    """Return a sentence for every aim that ours misses: at the greatest share, and with everybody honest."""
    missed = [*_missed_clean(figures)] if 0.0 in figures.betas else []
    if figures.most is not None:
        for attack in figures.attacks:
            missed += _missed(figures, attack, figures.most)
    return missed


def _beaten(figures: Figures, attack: str, beta: float) -> Iterator[str]:
    best = _best_other(figures, attack, beta, figures.kept, max)
    ours = figures.mean(attack, OURS, beta, figures.kept)
    if best and ours is not None and best[1] > ours + MARGIN:
        yield f"{_at(attack, beta)}: {title(best[0])} keeps {best[1]:.1%} of the clean NDCG@10, ours {ours:.1%}."
    if not beta or not figures.targeted(attack):
        return
    for k in CUTOFFS:
        rise = partial(figures.exposure_rise, k=k)
        least = _best_other(figures, attack, beta, rise, min)
        own = figures.mean(attack, OURS, beta, rise)
        if least and own is not None and least[1] < own - MARGIN:
            yield (
                f"{_at(attack, beta)}: under {title(least[0])} the targets' ER@{k} is {_points(least[1])} above "
                f"clean, under ours {_points(own)}."
            )


def _best_other(
    figures: Figures, attack: str, beta: float, figure: Figure, best: Callable[..., tuple[str, float]]
) -> tuple[str, float] | None:
    """Return the defence other than ours with the best mean, and that mean."""
    means = {name: figures.mean(attack, name, beta, figure) for name in figures.defences if name != OURS}
    known = {name: value for name, value in means.items() if value is not None}
    return best(known.items(), key=itemgetter(1)) if known else None


def _missed(figures: Figures, attack: str, beta: float) -> Iterator[str]:
    def ours(figure: Figure) -> float | None:
        return figures.mean(attack, OURS, beta, figure)

    at, kept = _at(attack, beta), ours(figures.kept)
    if kept is not None and kept < KEPT and not figures.targeted(attack):
        yield f"{at}: {kept:.1%} of the clean NDCG@10 is kept, the aim is {KEPT:.0%}."
    rise, most = ours(figures.exposure_rise), PATIENT_EXPOSURE_RISE if _is(attack, PATIENT) else EXPOSURE_RISE
    if rise is not None and rise > most and figures.targeted(attack):
        yield f"{at}: the targets' ER@10 is {_points(rise)} above clean, the aim is at most {_points(most)}."
    auc, least = ours(final_auc), next((least for pattern, least in AUCS if fnmatch(attack, pattern)), None)
    if auc is not None and least is not None and auc < least:
        yield f"{at}: the reputation AUC ends at {auc:.2f}, the aim is {least:.2f}."
    paid = ours(lambda cell: cell["reward_share"])
    if paid is not None and paid > REWARD_SHARE:
        yield f"{at}: attackers earn {paid:.1%} of the rewards, the aim is at most {REWARD_SHARE:.0%}."
    moved = ours(partial(figures.reputation_moved, rounds=1)) if _is(attack, LIARS) else None
    if moved is not None and moved > REPUTATION_MOVED:
        most = REPUTATION_MOVED
        yield f"{at}: an honest reputation moves by {moved:.3f} in the first round, the aim is at most {most}."


def _missed_clean(figures: Figures) -> Iterator[str]:
    kept = figures.mean(CLEAN, OURS, 0.0, figures.kept)
    if kept is not None and kept < KEPT_CLEAN:
        yield f"{_at(CLEAN, 0.0)}: ours has {kept:.1%} of plain FedAvg's NDCG@10, the aim is {KEPT_CLEAN:.0%}."
    penalties = figures.mean(CLEAN, OURS, 0.0, lambda cell: cell["false_penalties"])
    if penalties is not None and penalties > FALSE_PENALTIES:
        yield (
            f"{_at(CLEAN, 0.0)}: {penalties:.1%} of the honest client-rounds are penalised, the aim is at most "
            f"{FALSE_PENALTIES:.0%}."
        )


def _is(attack: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(attack, pattern) for pattern in patterns)


def _at(attack: str, beta: float) -> str:
    return f"{attack}, beta {beta:g}" if beta else "nobody attacks"


def _points(value: float) -> str:
    return f"{100 * value:.1f} points"
