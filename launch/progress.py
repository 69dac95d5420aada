"""What a person sees while a run goes on, and the table at its end. All of it on stderr, so that --json stays pure."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from common.data.partition import ClientSummary


class RunProgress:
    """A bar over the rounds, fed from report.json, which the coordinator rewrites after every round."""

    def __init__(self, console: Console, rounds: int) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=rounds)

    def __enter__(self) -> "RunProgress":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Replace the line before the bar."""
        self._progress.update(self._task, description=text)

    def look_at(self, report_path: Path) -> None:
        """Show how far the report is."""
        try:
            rows = json.loads(report_path.read_bytes())["rounds"]
        except FileNotFoundError:
            return
        text = f"round {len(rows) + 1}" if len(rows) < (self._progress.tasks[0].total or 0) else "measuring"
        measured = [row["ndcg_at_10"] for row in rows if row["ndcg_at_10"] is not None]
        if measured:
            text += f" · NDCG@10 {measured[-1]:.3f}"
        self._progress.update(self._task, completed=len(rows), description=text)


def partition_table(summaries: Sequence[ClientSummary]) -> Table:
    """Return what each client got; of many clients, the first ten."""
    table = Table(title="Clients", title_justify="left")
    for column in ("client", "users", "interactions", "items", "a user", "top genre"):
        table.add_column(column, justify="left" if column == "top genre" else "right")
    for one in summaries[:10]:
        table.add_row(
            str(one.client + 1),
            f"{one.users:,}",
            f"{one.interactions:,}",
            f"{one.distinct_items:,}",
            f"{one.mean_ratings_per_user:.1f}",
            one.top_genre or "",
        )
    if len(summaries) > 10:
        table.caption = f"and {len(summaries) - 10} more"
    return table


def rounds_table(report: dict[str, Any]) -> Table:
    """Return a row for each round: accuracy on the test items, time, gas, who took part."""
    table = Table(title="Rounds", title_justify="left")
    for column in (
        "round",
        "HR@10",
        "NDCG@10",
        "full NDCG@10",
        "seconds",
        "train",
        "score",
        "settle",
        "clients",
        "gas",
    ):
        table.add_column(column, justify="right")
    for row in report["rounds"]:
        table.add_row(
            str(row["round"]),
            *(_number(row[key]) for key in ("hit_ratio_at_10", "ndcg_at_10", "full_ndcg_at_10")),
            *(f"{row[key]:.1f}" for key in ("seconds", "train_seconds", "score_seconds", "settle_seconds")),
            str(row["participants"]),
            f"{row['gas']:,}",
        )
    return table


def clients_table(report: dict[str, Any]) -> Table:
    """Return a row for each client: its last gain and reputation, and what it earned over all rounds."""
    table = Table(title="Reputation and reward", title_justify="left")
    for column in ("account", "gain, first round", "gain, last round", "reputation", "weight", "earned TFR"):
        table.add_column(column, justify="left" if column == "account" else "right")
    rows = report["rounds"]
    for account in list(rows[-1]["reputation"])[:10]:
        earned_wei = sum(int(row["reward"][account]) for row in rows)
        table.add_row(
            account,
            _number(rows[0]["gain"].get(account), signed=True),
            _number(rows[-1]["gain"].get(account), signed=True),
            _number(rows[-1]["reputation"][account]),
            _number(rows[-1]["weight"][account]),
            f"{earned_wei / 1e18:,.2f}",
        )
    return table


def timing_line(report: dict[str, Any]) -> str:
    """Return where the time went."""
    phases = {key: sum(row[f"{key}_seconds"] for row in report["rounds"]) for key in ("train", "score", "settle")}
    rest = report["total_seconds"] - report["start_seconds"] - sum(phases.values())
    split = ", ".join(f"{key} {seconds:.1f} s" for key, seconds in phases.items())
    return (
        f"Total {report['total_seconds']:.1f} s: start-up {report['start_seconds']:.1f} s, {split}, rest {rest:.1f} s."
    )


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash for "not measured"
    return f"{value:+.4f}" if signed else f"{value:.4f}"
