"""The benchmark in one sentence with numbers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from experiments.defences.table import OURS, UNDEFENDED
from experiments.robustness_cells import CLEAN
from experiments.robustness_figures import Figures, final_auc

Worst = tuple[float, str]
"""A figure, and the attack that it is of."""


def summary(record: Mapping[str, Any]) -> str:
    """Say how ours and no defence stand under the worst attack of the greatest share, over all data sets."""
    all_figures = [Figures(name, entry["cells"]) for name, entry in record.items() if entry["cells"]]
    attacked = [figures for figures in all_figures if figures.most is not None]
    count = sum(len(entry["cells"]) for entry in record.values())
    if not attacked:
        return f"{count} cells are measured, none of them with attackers."
    betas = " and ".join(sorted({f"{figures.most:g}" for figures in attacked}))
    says = [
        _says("keeps at least {:.1%} of the clean NDCG@10", attacked, Figures.kept, min),
        _says(
            "lets ER@10 of pushed items rise by at most {:.1f} points", attacked, _rise_in_points, max, targeted=True
        ),
        _says("has a reputation AUC of at least {:.2f}", attacked, lambda _, cell: final_auc(cell), min),
        _says("pays attackers at most {:.1%} of the rewards", attacked, lambda _, cell: cell["reward_share"], max),
        _penalties(all_figures),
    ]
    names = ", ".join(figures.dataset for figures in all_figures)
    ours = "; ".join(sentence for sentence in says if sentence) or "nothing was measured"
    return f"At beta {betas} on {names}, ours {ours} ({count} cells)."


def _says(
    sentence: str,
    attacked: Sequence[Figures],
    figure: Callable[[Figures, Any], float | None],
    worst: Callable[..., Worst],
    *,
    targeted: bool = False,
) -> str:
    """Return the worst mean of ours and of no defence in words, empty where ours has none."""
    found = {
        defence: [
            (mean, attack)
            for figures in attacked
            for attack in figures.attacks
            if figures.targeted(attack) or not targeted
            if (mean := _mean(figures, attack, defence, figure)) is not None
        ]
        for defence in (OURS, UNDEFENDED)
    }
    if not found[OURS]:
        return ""
    value, attack = worst(found[OURS], key=itemgetter(0))
    said = f"{sentence.format(value)} ({attack}"
    if found[UNDEFENDED]:
        value, attack = worst(found[UNDEFENDED], key=itemgetter(0))
        number = sentence[sentence.index("{") : sentence.index("}") + 1]
        said += f"; undefended {number.format(value)}, {attack}"
    return f"{said})"


def _mean(figures: Figures, attack: str, defence: str, figure: Callable[[Figures, Any], float | None]) -> float | None:
    return None if figures.most is None else figures.mean(attack, defence, figures.most, partial(figure, figures))


def _rise_in_points(figures: Figures, cell: Any) -> float | None:
    rise = figures.exposure_rise(cell)
    return None if rise is None else 100 * rise


def _penalties(all_figures: Sequence[Figures]) -> str:
    clean = [figures.mean(CLEAN, OURS, 0.0, lambda cell: cell["false_penalties"]) for figures in all_figures]
    known = [value for value in clean if value is not None]
    return f"penalises {max(known):.1%} of the client-rounds where nobody attacks" if known else ""
