"""The page of the benchmark: leaderboard, where ours loses, Table 3, exposure, trust, and the bound of eq. 8."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from common.config import Settings
from experiments.attacks.suite import ATTACKS
from experiments.defences.table import DEFENCES, title
from experiments.robustness_figures import Figures
from experiments.robustness_losses import losses, missed_aims
from experiments.robustness_picture import curves_picture, share_picture
from experiments.robustness_tables import bound_table, exposure_table, leaderboard, table_3, trust_table

INTRODUCTION = """\
Written by `tfedrs experiment robustness` from `robustness.json` beside it: do not edit. Every figure of every seed is
in [robustness.csv](robustness.csv), every reputation after every round in the JSON.
How to add a row or a column: [add an attack](add-an-attack.md).

Every cell is a whole federation in one process: messages, signatures, committees, peers' scores, settlement, evidence;
malicious clients, a share *beta* of all, drawn by the seed, collude. Figures are means ± standard deviation over the
seeds, on test items of all users, the malicious clients' own included.

- **NDCG@10 kept**: among 99 sampled candidates, over that of plain FedAvg without attackers, with the same seed.
- **ER@K**: the share of the users who have not met a target, held-out items included, in whose first K of the whole
  catalogue it is; the mean over all targets, which are pushed together and share the K places. *ER +1.0* in the
  leaderboard: ER@10 is one point above that of plain FedAvg without attackers.
- **AUC**: the chance that an honest client's smoothed reputation is above a malicious one's, ties counting half.
- **Rounds to detection**: the first round in which the median malicious weight is under a quarter of the median honest
  one, for each seed. Where weights do not decide the fusion (all but the last two defences), they say what reputation
  would have done.
- **False penalties**: the share of the honest client-rounds with weight zero, a lowered gate or a rejected update.
- **Attackers' rewards**: their share of all that was paid; beside it that share over their share of the clients.
- **Honest reputation moved**: the furthest that any honest client's reputation was from that in the same federation
  without attackers. After the first round nothing else differs than what the attackers sent and scored, and that is
  what liars are judged by; *at most*, over all rounds, has in it that the models differ by then."""

BOUND = """\
T-FedRS, eq. 8: the sum over rounds and attackers of w times epsilon is at most R_A / R_H times the same sum over honest
clients. We take epsilon of a client to be |M|, by how much its update alone moves the ranking loss on the probe, 1 -
(NDCG@10 + HR@10) / 2, whichever way, by its committee's consolidated gain; w is the settled weight; R_A the greatest
mean reputation R of an attacker over the rounds, R_H the least of an honest client. Where that is 0 there is no bound.
A push that the probe does not see has a small left side, whatever it does to the target: the bound does not speak of
exposure."""

_DEFAULTS = Settings().to_run_config()
_SHOWN_ALWAYS = ("model", "clients", "rounds", "factors", "partition")


def pictures_of(record: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the page's pictures by file name."""
    pictures = {}
    for dataset, figures in _measured(record):
        if figures.attacks:
            pictures[f"robustness-{dataset}-share.png"] = share_picture(figures)
            pictures[f"robustness-{dataset}-rounds.png"] = curves_picture(figures)
    return pictures


def markdown(record: Mapping[str, Any]) -> str:
    """Return the page, a section for each data set."""
    parts = ["# Robustness, attack by attack", INTRODUCTION, _defences(), *_folded("The attacks", _attacks())]
    for dataset, entry in record.items():
        parts.append(f"## {dataset}")
        parts += [f"No row: {entry['refusal']}"] if entry["refusal"] else _section(dataset, entry)
    return "\n\n".join(parts) + "\n"


def table_csv(record: Mapping[str, Any]) -> str:
    """Return one line for each cell and figure; a list is one figure a place, counted from 1.

    Reputations, hundreds of figures of every cell, are in the record alone.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["dataset", "attack", "defence", "beta", "seed"]
    writer.writerow([*names, "figure", "value"])
    for entry in record.values():
        for cell in entry["cells"]:
            own = [cell[name] for name in names]
            for name, value in cell.items():
                if name not in (*names, "reputation"):
                    writer.writerows([*own, *figure] for figure in _flat(name, value))
    return out.getvalue()


def _section(dataset: str, entry: Mapping[str, Any]) -> list[str]:
    figures = Figures(dataset, entry["cells"])
    made = f"Seeds {' '.join(map(str, figures.seeds))}, commits {', '.join(one[:7] for one in entry['commits'])}."
    parts = [f"{entry['about']}. Settings: {_settings(entry['settings'])}. {made}"]
    parts += [f"Not measured: {sentence}" for sentence in entry.get("refused", [])]
    if figures.most is None:
        return [*parts, exposure_table(figures, [0.0]), trust_table(figures, [0.0])]
    parts += [f"### Leaderboard, beta {figures.most:g}: NDCG@10 kept, ER@10 above clean in points"]
    parts += [leaderboard(figures, figures.most), "### Where ours loses", *_lists(figures)]
    parts += ["### Figure 3: NDCG@10 against the share of malicious clients"]
    parts += [f"![NDCG@10 by share of malicious clients, {dataset}](robustness-{dataset}-share.png)"]
    parts += [f"![NDCG@10 and ER@10 after each round, {dataset}](robustness-{dataset}-rounds.png)"]
    parts += ["### Table 3: accuracy at 5, 10 and 20"]
    for attack in figures.attacks:
        tables = [
            text
            for metric, name in (("ndcg", "NDCG"), ("hit_ratio", "HR"))
            for prefix, among in (("", "99 sampled candidates"), ("full_", "the whole catalogue"))
            for text in (f"{name}@K among {among}:", table_3(figures, attack, metric, prefix))
        ]
        parts += _folded(attack, *tables)
    parts += ["### Exposure of the targets", *_by_share(figures, exposure_table)]
    parts += ["### Reputation, penalties and rewards", *_by_share(figures, trust_table)]
    return [*parts, "### The bound beside what was measured", BOUND, *_by_share(figures, bound_table)]


def _by_share(figures: Figures, table: Callable[[Figures, Sequence[float]], str]) -> list[str]:
    """Return a table of nobody and of the greatest share, and below it, folded, that of the shares between."""
    ends = [beta for beta in figures.betas if beta in (0.0, figures.most)]
    between = [beta for beta in figures.betas if beta not in ends]
    return [table(figures, ends), *(_folded("The shares between", table(figures, between)) if between else [])]


def _lists(figures: Figures) -> list[str]:
    beaten, missed = losses(figures), missed_aims(figures)
    return [
        "To another defence, by half a point or more:" if beaten else "To no other defence by half a point or more.",
        *(["\n".join(f"- {sentence}" for sentence in beaten)] if beaten else []),
        "To its aims:" if missed else "To none of its aims.",
        *(["\n".join(f"- {sentence}" for sentence in missed)] if missed else []),
    ]


def _attacks() -> str:
    lines = ["| attack | it knows | it allows itself | after |", "|---|---|---|---|"]
    for name, make in ATTACKS.items():
        attack = make()
        lines.append(f"| {name} | {attack.knowledge} | {attack.budget} | {attack.source} |")
    return "\n".join(lines)


def _defences() -> str:
    lines = ["| defence | settings |", "|---|---|"]
    for name, one in DEFENCES.items():
        rule = f", with the rule {one.rule.__name__} in its place" if one.rule else ""
        lines.append(f"| {title(name)} | `--aggregation {one.aggregation} --defence {one.defence}`{rule} |")
    return "\n".join(lines)


def _settings(settings: Mapping[str, Any]) -> str:
    """Say what the rounds were made with: some settings always, others where they are not the defaults."""
    rest = [key for key, value in settings.items() if key not in _SHOWN_ALWAYS and value != _DEFAULTS.get(key)]
    return ", ".join(f"{key} {str(settings[key]).lower()}" for key in (*_SHOWN_ALWAYS, *rest))


def _folded(summary: str, *texts: str) -> list[str]:
    return [f"<details><summary>{summary}</summary>", *texts, "</details>"]


def _measured(record: Mapping[str, Any]) -> Iterator[tuple[str, Figures]]:
    for dataset, entry in record.items():
        if entry["cells"]:
            yield dataset, Figures(dataset, entry["cells"])


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}/{key}", inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from _flat(f"{name}/{number}", inner)
    elif isinstance(value, int | float):  # no figures: accounts, and what is not known
        yield name, f"{value:.6g}" if isinstance(value, float) else int(value)
