"""docs/results.md, from what `experiments.results` measured."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from experiments.published import ML_1M_NCF

Figures = Mapping[str, Sequence[float]]
"""Metric -> one value a seed."""

_RANKING = (
    ("hit_ratio_at_10", "HR@10"),
    ("ndcg_at_10", "NDCG@10"),
    ("full_hit_ratio_at_10", "full HR@10"),
    ("full_ndcg_at_10", "full NDCG@10"),
)
_RATINGS = (("rmse", "RMSE"), ("mae", "MAE"))
_DIGITS = 4


def render(record: Mapping[str, Any], introduction: str) -> str:
    """Return the page.

    Args:
        record: What docs/results.json holds: "cases", by name, each with "title", "command", "note", "settings",
            "seeds", "commit" and "measured" (method -> metric -> one value a seed).
        introduction: Stands under the page's title.
    """
    parts = ["# Results", introduction]
    for case in record["cases"].values():
        parts += _case(case)
    return "\n\n".join(parts) + "\n"


def _case(case: Mapping[str, Any]) -> list[str]:
    measured: Mapping[str, Figures] = case["measured"]
    columns = [
        (key, name) for key, name in (*_RATINGS, *_RANKING) if any(key in figures for figures in measured.values())
    ]
    published = ML_1M_NCF if case["published"] else ()
    head = ["method", *(name for _, name in columns), *(["source"] if published else [])]
    rows = [
        [
            one.method,
            *(_published(getattr(one, key, None)) for key, _ in columns),
            one.source,
        ]
        for one in published
    ]
    rows += [
        [method, *(_cell(figures.get(key)) for key, _ in columns), *(["measured here"] if published else [])]
        for method, figures in measured.items()
    ]
    settings = ", ".join(f"{name} {value}" for name, value in case["settings"].items()) or "default settings"
    seeds = " ".join(map(str, case["seeds"]))
    made = f"`{case['command']}` · {settings} · seeds {seeds}, mean ± standard deviation · commit {case['commit'][:7]}"
    return [f"## {case['title']}", case["note"], _table(head, rows), made]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(values: Sequence[float] | None) -> str:
    if not values:
        return ""
    spread = f" ± {stdev(values):.{_DIGITS}f}" if len(values) > 1 else ""
    return f"{mean(values):.{_DIGITS}f}{spread}"


def _published(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
