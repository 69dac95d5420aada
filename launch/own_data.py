"""A participant's own interactions, cut on its own machine: from a CSV to `data.npz`, by the public catalogue.

Nobody else sees them. Interactions with items that the catalogue does not have are left out and counted. Its users do
not volunteer: the probe pool stays the federation's.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from client.store import CATALOGUE_FILE, DATA_FILE
from common.data.catalogue import Catalogue
from common.data.client_parts import cut_client_part
from common.data.dataset import Dataset
from common.data.named_csv import CsvColumns, read_csv_ratings
from common.data.rating_table import RatingTable
from common.data.source_file import hashes_of, read_exact_source
from common.data.splits import leave_one_out
from common.errors import WrongUse

_SEED = 1  # orders equal timestamps and draws candidates; the same file gives the same part


@dataclass(frozen=True)
class CutData:
    """What went into `data.npz`, and what did not.

    Attributes:
        users: In it.
        interactions: In it, held-out ones included.
        tested_users: Of `users`, those with enough interactions to be evaluated.
        unknown_items: Items of the CSV that the catalogue does not have.
        interactions_left_out: Lines about those.
        users_left_out: Users who had no others.
    """

    users: int
    interactions: int
    tested_users: int
    unknown_items: int
    interactions_left_out: int
    users_left_out: int


def cut_own_data(folder: Path, csv: Path, columns: CsvColumns) -> CutData:
    """Write `data.npz` in a participant's folder.

    Args:
        folder: Holds `catalogue.json`; must not hold data yet.
        csv: One line an interaction.
        columns: Which columns to read.

    Raises:
        WrongUse: there are data already, a file is missing or malformed, or fewer than two users are left.
    """
    path = folder / DATA_FILE
    if path.exists():
        raise WrongUse(f"There are data in {path} already; move them away first.")
    catalogue = _catalogue(folder / CATALOGUE_FILE)
    source = read_exact_source(csv)
    table = read_csv_ratings(source, columns)
    known = _known(table, catalogue)
    if len(known.user_ids) < 2:
        raise WrongUse(
            f"{csv} has {len(known.user_ids)} users with items of {folder / CATALOGUE_FILE}, and an update shows what "
            "a single user likes; bring at least 2, and check that the item column holds the ids of the catalogue."
        )
    interactions = known.interactions()
    dataset = Dataset(
        csv.name, interactions, known.user_ids, catalogue.item_ids, catalogue.titles, None, hashes_of([source])
    )
    split = leave_one_out(dataset, _SEED)
    cut_client_part(dataset, split, split.train, np.arange(len(known.user_ids), dtype=np.int32)).save(path)
    return CutData(
        users=len(known.user_ids),
        interactions=interactions.items.size,
        tested_users=int((split.test >= 0).sum()),
        unknown_items=len(set(table.item_ids) - set(catalogue.item_ids)),
        interactions_left_out=table.items.size - known.items.size,
        users_left_out=len(table.user_ids) - len(known.user_ids),
    )


def _catalogue(path: Path) -> Catalogue:
    """Read it; on this machine nobody can write it again."""
    try:
        return Catalogue.load(path)
    except WrongUse as error:
        what = "is not the catalogue it was" if path.exists() else "is missing"
        raise WrongUse(f"{path} {what}; ask the coordinator for it again.") from error


def _known(table: RatingTable, catalogue: Catalogue) -> RatingTable:
    """The lines about items of the catalogue, by its numbers, with the users they are about."""
    number = {item_id: index for index, item_id in enumerate(catalogue.item_ids)}
    items = np.array([number.get(item_id, -1) for item_id in table.item_ids], np.int32)[table.items]
    kept = items >= 0
    users, rows = np.unique(table.users[kept], return_inverse=True)
    return replace(
        table,
        user_ids=tuple(table.user_ids[user] for user in users),
        item_ids=catalogue.item_ids,
        users=rows.astype(np.int32),
        items=items[kept],
        ratings=table.ratings[kept],
        timestamps=table.timestamps[kept],
    )
