"""What a person sees while a run goes on, and the tables at its end, for a terminal of 80 columns.

All of it goes to stderr, so that --json stays pure.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from common.data.partition import ClientSummary
from launch.prepared_run import PreparedRun
from server.convergence import LAST

_ROWS_SHOWN = 10
_BAR_COLUMNS = 20
_RANKING_MEASURES = {"hit_ratio_at_10": "HR@10", "ndcg_at_10": "NDCG@10", "full_ndcg_at_10": "full NDCG@10"}
_RATING_MEASURES = {"rmse": "RMSE", "mae": "MAE", "ndcg_at_10": "NDCG@10"}
_DASH = "–"  # noqa: RUF001 - for "not measured"


class RunProgress:
    """A bar over the rounds, fed from report.json, which the coordinator rewrites after every round.

    Where stderr is no terminal, each settled round gets a line instead. A run that fails leaves no bar behind, so that
    its one sentence stands alone.
    """

    def __init__(self, console: Console, rounds: int) -> None:
        self._console = console
        self._rounds = rounds
        self._settled = 0
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(_BAR_COLUMNS),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=rounds)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.live.transient = error is not None
            self.say("done")
            self._bar.stop()

    def say(self, text: str) -> None:
        """Replace the text before the bar."""
        self._bar.update(self._task, description=text)

    def note(self, sentence: str) -> None:
        """Say something above the bar that stays there."""
        self._console.print(sentence[:1].upper() + sentence[1:], highlight=False, markup=False, soft_wrap=True)

    def look_at(self, report_path: Path) -> None:
        """Show how far the report is."""
        try:
            rows = json.loads(report_path.read_bytes())["rounds"]
        except FileNotFoundError:
            return
        key, name = ("rmse", "RMSE") if _rates(rows) else ("ndcg_at_10", "NDCG@10")
        measured = [row[key] for row in rows if row.get(key) is not None]
        quality = f" · {name} {measured[-1]:.3f}" if measured else ""
        text = f"round {len(rows) + 1}" if len(rows) < self._rounds else "measuring the last model"
        self._bar.update(self._task, completed=len(rows), description=text + quality)
        if len(rows) > self._settled and not self._console.is_terminal:
            self._console.print(f"Round {len(rows)} of {self._rounds} is settled{quality}.", highlight=False)
        self._settled = len(rows)


def say_what_starts(console: Console, ready: PreparedRun) -> None:
    """Say which client got what, and where the record goes."""
    if ready.summary:
        console.print(partition_table(ready.summary))
    if ready.chain_url:
        console.print(f"Chain   {ready.federation.chain_kind} at {ready.chain_url}", highlight=False, soft_wrap=True)
        console.print(f"Ledger  contract {ready.ledger.verifying_contract}", highlight=False)
    console.print()


def say_what_came_out(console: Console, report: dict[str, Any]) -> None:
    """Say how good the rounds were, what the clients earned, where the time went and where everything is.

    Args:
        console: Where to.
        report: As `launch.commands` return it.
    """
    console.print()
    console.print(rounds_table(report))
    console.print()
    console.print(clients_table(report, report["accounts"]))
    console.print()
    if line := ending_line(report):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(timing_line(report), highlight=False)
    console.print(ledger_line(report), highlight=False)
    console.print(privacy_line(report), highlight=False, markup=False)
    path = Path(report["folder"]) / "report.html"
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    console.print(f"Report  {shown}", highlight=False, markup=False, soft_wrap=True)


def partition_table(summaries: Sequence[ClientSummary]) -> Table:
    """Return what each client got; of many clients, the first ten."""
    table = _table("Clients", ("client", "users", "interactions", "items", "a user"), ("top genre",))
    for one in summaries[:_ROWS_SHOWN]:
        table.add_row(
            str(one.client + 1),
            f"{one.users:,}",
            f"{one.interactions:,}",
            f"{one.distinct_items:,}",
            f"{one.mean_ratings_per_user:.1f}",
            one.top_genre or "",
        )
    _say_how_many_more(table, len(summaries))
    return table


def rounds_table(report: dict[str, Any]) -> Table:
    """Return a row for each round: accuracy on the test items, who took part, time, gas."""
    measures = _RATING_MEASURES if _rates(report["rounds"]) else _RANKING_MEASURES
    table = _table("Rounds", ("round", "clients", *measures.values(), "seconds", "gas"))
    for row in report["rounds"]:
        table.add_row(
            str(row["round"]),
            str(row["participants"]),
            *(_number(row.get(key)) for key in measures),
            f"{row['seconds']:.1f}",
            f"{row['gas']:,}",
        )
    table.caption = "test items among 99 others each; full: among all items"
    if measures is _RATING_MEASURES:
        table.caption = "errors of the test items' ratings; NDCG@10: these items among 99 others each"
    return table


def clients_table(report: dict[str, Any], accounts: Sequence[str]) -> Table:
    """Return a row for each client: its first and last gain, what it is trusted with, what it earned over all rounds.

    Args:
        report: As in report.json.
        accounts: The clients' accounts, client 1 first.
    """
    table = _table(
        "Reputation and reward",
        ("client", "account", "first gain", "last gain", "reputation", "weight", "earned TFR"),
    )
    rows = report["rounds"]
    for number, account in enumerate(accounts[:_ROWS_SHOWN], start=1):
        earned_wei = sum(int(row["reward"][account]) for row in rows)
        table.add_row(
            str(number),
            short_account(account),
            _number(rows[0]["gain"].get(account), signed=True),
            _number(rows[-1]["gain"].get(account), signed=True),
            _number(rows[-1]["reputation"][account]),
            _number(rows[-1]["weight"][account]),
            f"{earned_wei / 1e18:,.2f}",
        )
    _say_how_many_more(table, len(accounts))
    return table


def ending_line(report: dict[str, Any]) -> str | None:
    """Say why the run ended before its last round, and with which model; None where nothing else was asked for."""
    chosen, reason = report["chosen_round"], report["stopped_early"]
    parts = [f"early: {reason}"] if reason else []
    if report["chosen_as"] != LAST:
        parts.append(f"with the model of round {chosen}, {report['chosen_as']}")
    return f"Ended   {'; '.join(parts)}" if parts else None


def timing_line(report: dict[str, Any]) -> str:
    """Return where the time went."""
    phases = {key: sum(row[f"{key}_seconds"] for row in report["rounds"]) for key in ("train", "score", "settle")}
    rest = report["total_seconds"] - report["start_seconds"] - sum(phases.values())
    split = ", ".join(f"{key} {seconds:.1f}" for key, seconds in phases.items())
    return f"Time    {report['total_seconds']:.1f} s: start {report['start_seconds']:.1f}, {split}, rest {rest:.1f}"


def ledger_line(report: dict[str, Any]) -> str:
    """Return which chain holds the record, and whether the run folder's evidence is the one recorded there."""
    ledger = report["ledger"]
    where = {
        "memory": "memory, not kept",
        "embedded": "embedded EVM",
        "anvil": "Anvil",
        "external": "given by URL",
    }[ledger["kind"]]
    verdict = "agrees" if ledger["verified"] else "DIFFERS"
    settled = "1 round" if ledger["settled_rounds"] == 1 else f"{ledger['settled_rounds']} rounds"
    return f"Ledger  {where}; chain id {ledger['chain_id']}; {settled} settled; evidence {verdict}"


def privacy_line(report: dict[str, Any]) -> str:
    """Return the claim with everything that gives it a meaning, or why there is none."""
    privacy = report["privacy"]
    if privacy["reason"] is not None:
        return f"Privacy no epsilon: {privacy['reason']}"
    return (
        f"Privacy epsilon {privacy['epsilon_committee']:.3g} for one {privacy['unit']} ({privacy['adjacency']}, "
        f"delta {privacy['delta']:g}), against the coordinator and the committee"
    )


def short_account(account: str) -> str:
    """Return an account as people recognise it, such as 0x552e…1f3a."""
    return f"{account[:6]}…{account[-4:]}"


def _rates(rows: Sequence[dict[str, Any]]) -> bool:
    """Tell whether the model predicts ratings: only then have its rows, once measured, an error of ratings."""
    return any("rmse" in row for row in rows)


def _table(title: str, numbers: Sequence[str], texts: Sequence[str] = ()) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    for column in texts:
        table.add_column(column, no_wrap=True)
    return table


def _say_how_many_more(table: Table, rows: int) -> None:
    if rows > _ROWS_SHOWN:
        table.caption = f"and {rows - _ROWS_SHOWN:,} more"


def _number(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return _DASH
    return f"{value:+.4f}" if signed else f"{value:.4f}"
