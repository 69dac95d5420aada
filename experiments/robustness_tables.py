"""The tables of the benchmark's page, each from the figures of one data set."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean, stdev

from common.metrics import CUTOFFS
from experiments.defences.table import title
from experiments.robustness_cells import CLEAN
from experiments.robustness_figures import Cell, Figure, Figures, exposure, final_auc, most_exposed, reward_ratio


def leaderboard(figures: Figures, beta: float) -> str:
    """Return attack by defence: NDCG@10 kept, and for targeted attacks how far ER@10 is above clean."""
    lines = [*_head(["attack", *map(title, figures.defences)])]
    for attack in figures.attacks:
        row = []
        for defence in figures.defences:
            shown = percent(figures.mean(attack, defence, beta, figures.kept))
            if figures.targeted(attack):
                rise = figures.mean(attack, defence, beta, figures.exposure_rise)
                shown += "" if rise is None else f", ER {round(100 * rise, 1) + 0.0:+.1f}"  # no minus before a zero
            row.append(shown)
        lines.append(_line([attack, *row]))
    return "\n".join(lines)


def table_3(figures: Figures, attack: str, metric: str, prefix: str = "") -> str:
    """Return T-FedRS's Table 3 for one attack: a metric at 5, 10 and 20 against the share of malicious clients."""
    lines = [*_head(["K", "defence", *(f"beta {beta:g}" for beta in figures.betas)])]
    for k in CUTOFFS:
        figure = partial(_final, name=f"{prefix}{metric}_at_{k}")
        for defence in figures.defences:
            row = [spread(figures.values(attack, defence, beta, figure)) for beta in figures.betas]
            lines.append(_line([str(k), title(defence), *row]))
    return "\n".join(lines)


def exposure_table(figures: Figures, betas: Sequence[float]) -> str:
    """Return ER@K of the targets under every targeted attack at these shares; at 0 without one."""
    lines = [*_head(["attack", "beta", "defence", *(f"ER@{k}" for k in CUTOFFS), "most exposed, ER@10", "NDCG@10"])]
    for attack, beta in _played(figures, betas):
        if beta and not figures.targeted(attack):
            continue
        for defence in figures.defences:
            if cells := figures.cells(attack, defence, beta):
                row = [spread(_of(cells, partial(exposure, k=k))) for k in CUTOFFS]
                row += [spread(_of(cells, most_exposed)), spread(_of(cells, partial(_final, name="ndcg_at_10")))]
                lines.append(_line([attack, f"{beta:g}", title(defence), *row]))
    return "\n".join(lines)


def trust_table(figures: Figures, betas: Sequence[float]) -> str:
    """Return what reputation and rewards did under every attack at these shares; at 0 without one."""
    columns = ["attack", "beta", "defence", "AUC, first round", "last", "rounds to detection", "false penalties"]
    columns += ["attackers' rewards", "over their share", "honest reputation moved, first round", "at most"]
    lines = [*_head(columns)]
    for attack, beta in _played(figures, betas):
        for defence in figures.defences:
            if not (cells := figures.cells(attack, defence, beta)):
                continue
            row = [
                _decimals(_of(cells, lambda cell: cell["auc"][0]), 2),
                _decimals(_of(cells, final_auc), 2),
                ", ".join(str(cell["detected_in"] or "never") for cell in cells) if beta else "",
                percent(_mean(_of(cells, lambda cell: cell["false_penalties"]))),
                percent(_mean(_of(cells, lambda cell: cell["reward_share"]))),
                _decimals(_of(cells, reward_ratio), 2),
                _decimals(_of(cells, partial(figures.reputation_moved, rounds=1)), 3) if beta else "",
                _decimals(_of(cells, figures.reputation_moved), 3) if beta else "",
            ]
            lines.append(_line([attack, f"{beta:g}", title(defence), *row]))
    return "\n".join(lines)


def bound_table(figures: Figures, betas: Sequence[float]) -> str:
    """Return both sides of eq. 8 under every attack at these shares, the mean over seeds, and in how many it holds."""
    lines = [
        *_head(["attack", "beta", "defence", "left", "right", "R of attackers, most", "of honest, least", "holds"])
    ]
    for attack, beta in _played(figures, betas):
        for defence in figures.defences if beta else []:
            bounds = [cell["bound"] for cell in figures.cells(attack, defence, beta) if cell["bound"]]
            if not bounds:
                continue
            rights = [bound["right"] for bound in bounds]
            known = [right for right in rights if right is not None]
            holds = sum(right is None or bound["left"] <= right for bound, right in zip(bounds, rights, strict=True))
            row = [
                f"{fmean(bound['left'] for bound in bounds):.4f}",
                f"{fmean(known):.4f}" if len(known) == len(rights) else "no bound",
                *(f"{fmean(bound[name] for bound in bounds):.3f}" for name in ("attackers_r", "honest_r")),
                f"{holds} of {len(bounds)}",
            ]
            lines.append(_line([attack, f"{beta:g}", title(defence), *row]))
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Return the mean and, of several, the standard deviation."""
    if not values:
        return ""
    return f"{fmean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal."""
    return "" if value is None else f"{value:.1%}"


def _played(figures: Figures, betas: Sequence[float]) -> list[tuple[str, float]]:
    """Return every attack with each of the shares, and for 0 the clean federation once."""
    clean = [(CLEAN, 0.0)] if 0.0 in betas else []
    return clean + [(attack, beta) for attack in figures.attacks for beta in betas if beta]


def _of(cells: Sequence[Cell], figure: Figure) -> list[float]:
    return [value for cell in cells if (value := figure(cell)) is not None]


def _final(cell: Cell, name: str) -> float:
    return float(cell["final"][name])


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _decimals(values: Sequence[float], digits: int) -> str:
    return f"{fmean(values):.{digits}f}" if values else ""


def _head(columns: Sequence[str]) -> tuple[str, str]:
    return _line(columns), f"|{'---|' * len(columns)}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
