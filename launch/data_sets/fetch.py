"""A published data set, from its official files to its folder: whole and checked, or not at all."""

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.atomic_file import refusals_of_the_disk
from common.data.dataset import Dataset
from common.data.load import load_dataset
from common.data.published import Download, PublishedDataset
from common.data.source_file import find_source
from common.errors import CheckFailed
from launch.data_sets.download import TIMEOUT_SECONDS, OnProgress, download
from launch.data_sets.unzip import unzip

OnDownload = Callable[[Download], OnProgress]
"""Called when a download begins; what it returns is told how far it is."""


@dataclass(frozen=True)
class Fetched:
    """What came of it.

    Attributes:
        folder: Where the files are.
        downloaded: What was not there before; empty where all of it was.
        dataset: As it loads from there.
    """

    folder: Path
    downloaded: tuple[Download, ...]
    dataset: Dataset


def fetch(
    published: PublishedDataset, root: Path, on_download: OnDownload, timeout_seconds: float = TIMEOUT_SECONDS
) -> Fetched:
    """Download what is missing of a data set, and load it to see that it is the one.

    Args:
        published: Which one.
        root: The folder of all data sets.
        on_download: Called before each file.
        timeout_seconds: Without an answer of a server.

    Raises:
        EnvironmentFailure: the network, a server or the disk does not do its part; what came is kept, for the next try.
        CheckFailed: a file is not the one that is known, or does not hold the data set.
        WrongUse: another process is fetching it, or files that are there are malformed.
    """
    folder = root / published.folder
    wanted = [one for one in published.downloads if find_source(folder, *one.gives) is None]
    for one in wanted:
        file = root / one.file
        download(one.url, file, one.sha256, one.bytes, on_download(one), timeout_seconds)
        try:
            _put_in_place(one, file, folder)
        except CheckFailed:
            file.unlink(missing_ok=True)
            raise
    dataset = load_dataset(published.name, root)
    if wanted:
        _check_counts(published, dataset, folder)
    return Fetched(folder, tuple(wanted), dataset)


def _put_in_place(one: Download, file: Path, folder: Path) -> None:
    """Move the file, or what is in it, into the folder of the data set."""
    with refusals_of_the_disk(folder), _beside(folder) as beside:
        if one.archive_folder is None:
            file.replace(beside / one.file)
        else:
            unzip(file, one.archive_folder, beside)
        # what makes the data set count as there comes last
        last = find_source(beside, *one.gives)
        if last is None:
            raise CheckFailed(f"{one.url} holds no {' or '.join(one.gives)}; look at the data set's own page.")
        if not folder.exists():
            beside.replace(folder)
        else:
            paths = sorted(path for path in beside.rglob("*") if path.is_file() and path != last)
            for path in (*paths, last):
                target = folder / path.relative_to(beside)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
        file.unlink(missing_ok=True)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _check_counts(published: PublishedDataset, dataset: Dataset, folder: Path) -> None:
    rows = dataset.interactions
    found = {
        "lines": dataset.lines,
        "users": rows.user_count,
        "items": rows.item_count,
        "interactions": rows.items.size,
    }
    for what, count in found.items():
        known = getattr(published, what)
        if known is not None and count != known:
            raise CheckFailed(
                f"{folder} gives {count:,} {what}, and {published.name} has {known:,}; remove that folder and fetch it "
                "again."
            )
