"""What is known of a data set: from the table, and from the files where they are here."""

from pathlib import Path
from typing import Any

import numpy as np

from common.data.dataset import Dataset
from common.data.load import CSV_PREFIX, load_dataset
from common.data.published import BUNDLED_NAME, PUBLISHED, PublishedDataset
from common.data.splits import leave_one_out
from common.errors import WrongUse

SPLIT_SEED = 1
"""Of the sizes that are shown; a run splits by its own seed, to the same sizes."""


def overview(root: Path) -> list[dict[str, Any]]:
    """Return what is known of every data set with a name, and whether it is here.

    Args:
        root: The folder of all data sets.
    """
    return [_known(published, root) for published in PUBLISHED.values()]


def describe(name: str, root: Path, csv_columns: str = "") -> dict[str, Any]:
    """Return what is known of a data set, with what its files hold where they are here.

    Args:
        name: One of the table, or "csv:FILE".
        root: The folder of all data sets.
        csv_columns: For csv: only.

    Raises:
        WrongUse: the name is unknown, or a file is malformed.
    """
    published = PUBLISHED.get(name)
    if published is None:
        dataset = load_dataset(name, root, csv_columns)
        path = Path(name.removeprefix(CSV_PREFIX))
        return {"name": name, "state": "here", "files": [str(path)], "bytes": path.stat().st_size} | counted(dataset)
    known = _known(published, root)
    if known["state"] == "not here":
        return known
    return known | counted(load_dataset(name, root, csv_columns))


def counted(dataset: Dataset) -> dict[str, Any]:
    """Return how much there is in a data set, and how a run splits it."""
    rows = dataset.interactions
    values, counts = np.unique(rows.ratings, return_counts=True)
    known_times = rows.timestamps[rows.timestamps > 0]
    return {
        "lines": dataset.lines,
        "users": rows.user_count,
        "items": rows.item_count,
        "interactions": rows.items.size,
        "density": rows.items.size / (rows.user_count * rows.item_count),
        "ratings": {f"{value:g}": count for value, count in zip(values.tolist(), counts.tolist(), strict=True)},
        "timestamps": {
            "known": known_times.size,
            "first": int(known_times.min()) if known_times.size else None,
            "last": int(known_times.max()) if known_times.size else None,
        },
        "titles": dataset.titles is not None,
        "split": _split_sizes(dataset),
        "sha256": dataset.file_hashes,
    }


def _split_sizes(dataset: Dataset) -> dict[str, Any]:
    try:
        split = leave_one_out(dataset, SPLIT_SEED)
    except WrongUse as error:
        return {"refused": str(error)}
    return {
        "train": split.train.items.size,
        "validation": int((split.validation >= 0).sum()),
        "test": int((split.test >= 0).sum()),
        "published": dataset.official_split is not None,
    }


def _known(published: PublishedDataset, root: Path) -> dict[str, Any]:
    files = published.found(root)
    here = "bundled" if published.name == BUNDLED_NAME else "here"
    state = "not here" if files is None else here
    sizes = [download.bytes for download in published.downloads]
    return {
        "name": published.name,
        "about": published.about,
        "state": state,
        "folder": None if state == "bundled" else str(root / published.folder),
        "files": [str(path) for path in files or ()],
        "remarks": published.remarks_on([path.name for path in files or ()]),
        "download_bytes": None if None in sizes else sum(size for size in sizes if size is not None),
        "lines": published.lines,
        "users": published.users,
        "items": published.items,
        "interactions": published.interactions,
        "licence": published.licence,
        "redistributable": published.redistributable,
        "citation": published.citation,
        "page": published.page,
        "downloads": [
            {"url": one.url, "bytes": one.bytes, "sha256": one.sha256, "sha256_from": one.sha256_from}
            for one in published.downloads
        ],
    }
