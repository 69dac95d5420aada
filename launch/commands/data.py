"""`tfedrs data`: what its commands do beside looking and fetching, and how a person reads it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from common.data.published import PUBLISHED, Download
from common.errors import WrongUse
from launch.data_sets.download import OnProgress
from launch.data_sets.fetch import Fetched, OnDownload, fetch

_DASH = "-"


def fetch_all(names: Sequence[str], root: Path, console: Console, say: Callable[[str], None]) -> dict[str, Any]:
    """Fetch data sets one after the other.

    Args:
        names: As in the table.
        root: The folder of all data sets.
        console: Where the bar is drawn, if it is a terminal.
        say: Told the terms of each before anything of it is downloaded, and what came of it.

    Returns:
        root, and fetched: name, folder, downloaded files with url, bytes and sha256, users, items, interactions.

    Raises:
        WrongUse: a name is not in the table; nothing was fetched.
        EnvironmentFailure, CheckFailed: as `fetch`; what was fetched before stays.
    """
    for name in names:
        if name not in PUBLISHED:
            raise WrongUse(f"there is no data set {name!r} to fetch: choose among {', '.join(PUBLISHED)}.")
    fetched = []
    for name in dict.fromkeys(names):
        published = PUBLISHED[name]
        say(f"{name}: {published.about}.\nLicence: {published.licence}.\nCite: {published.citation}")
        with _bar(console) as on_download:
            result = fetch(published, root, on_download)
        say(_outcome(name, result))
        rows = result.dataset.interactions
        fetched.append(
            {
                "name": name,
                "folder": str(result.folder) if published.downloads else None,
                "downloaded": [{"url": one.url, "sha256": one.sha256} for one in result.downloaded],
                "users": rows.user_count,
                "items": rows.item_count,
                "interactions": rows.items.size,
            }
        )
    return {"root": str(root), "fetched": fetched}


@contextmanager
def _bar(console: Console) -> Iterator[OnDownload]:
    columns = (TextColumn("{task.description}"), BarColumn(20), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:

        def on_download(one: Download) -> OnProgress:
            task = bar.add_task(one.file, total=one.bytes)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield on_download


def _outcome(name: str, result: Fetched) -> str:
    rows = result.dataset.interactions
    holds = f"{rows.user_count:,} users, {rows.item_count:,} items, {rows.items.size:,} interactions"
    if not PUBLISHED[name].downloads:
        return f"It comes with the code: {holds}."
    if not result.downloaded:
        return f"It is in {result.folder} already: {holds}."
    checks = ", ".join(f"sha256 of {one.file} {one.sha256_from}" for one in result.downloaded)
    return f"It is in {result.folder}: {holds}; {checks}."


def list_lines(listed: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of `tfedrs data list`, for 80 columns."""
    yield f"{'name':<20}  {'state':<8}  {'ratings':>9}  {'download':>8}  licence"
    for known in listed["data_sets"]:
        size = "" if known["state"] == "bundled" else _megabytes(known["download_bytes"])
        licence = known["licence"].split(":")[0].split(";")[0].removesuffix(" terms")
        licence += ", share alike" if known["redistributable"] else ", not passed on"
        yield f"{known['name']:<20}  {known['state']:<8}  {known['lines']:>9,}  {size:>8}  {licence}"
        for remark in known["remarks"]:
            yield from wrap(remark, 80, initial_indent="  ", subsequent_indent="  ")
    yield ""
    yield "`tfedrs data fetch NAME` brings one to where all are looked for, which is"
    yield str(listed["root"])


def info_lines(known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of `tfedrs data info`."""
    if "about" in known:
        yield f"{known['name']}: {known['about']}"
        for remark in known.get("remarks", ()):
            yield f"  NOTE          {remark}"
    else:
        yield known["name"]
    state = known["state"]
    yield f"  here          {', '.join(known['files'])}" if known["files"] else f"  here          {state}"
    if state == "not here":
        yield f"  to fetch      tfedrs data fetch {known['name']} (size: {_megabytes(known['download_bytes'])})"
    yield from _what_it_holds(known)
    if "licence" in known:
        yield f"  licence       {known['licence']}"
        yield f"  cite          {known['citation']}"
        yield f"  page          {known['page']}"
    for one in known.get("downloads", ()):
        yield f"  download      {one['url']}"
        yield f"    sha256      {one['sha256']} ({one['sha256_from']})"


def _what_it_holds(known: Mapping[str, Any]) -> Iterator[str]:
    lines, pairs = known["lines"], known["interactions"]
    for what in ("users", "items"):
        yield f"  {what:<12}  {_count(known[what])}"
    repeats = "" if pairs is None else f", {_count(pairs)} distinct pairs"
    yield f"  ratings       {_count(lines)} lines{repeats}"
    if "density" not in known:
        return
    yield f"  density       {100 * known['density']:.3f} %"
    yield "  histogram     " + ", ".join(f"{value}: {count:,}" for value, count in known["ratings"].items())
    times = known["timestamps"]
    if times["known"]:
        span = " to ".join(datetime.fromtimestamp(times[end], UTC).date().isoformat() for end in ("first", "last"))
        yield f"  timestamps    {times['known']:,} of {pairs:,}, {span}"
    else:
        yield "  timestamps    none"
    split = known["split"]
    if "refused" in split:
        yield f"  split         none: {split['refused']}"
        return
    kind = "published test items and candidates" if split["published"] else "last and last but one of each user"
    sizes = ", ".join(f"{part} {split[part]:,}" for part in ("train", "validation", "test"))
    yield f"  split         {sizes} ({kind})"


def _count(number: int | None) -> str:
    return _DASH if number is None else f"{number:,}"


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"
