"""A small CSV of ratings, for what must be quick."""

from pathlib import Path

import numpy as np

COLUMNS = "user=user,item=item,rating=stars,timestamp=when"
USERS, ITEMS, ITEMS_EACH = 24, 160, 30


def write_small_csv(path: Path, users: int = USERS) -> Path:
    """Every user rates 30 of 160 items, some items more often than others."""
    rng = np.random.default_rng(7)
    popularity = 1 / np.arange(2, ITEMS + 2)
    lines = ["user,item,stars,when"]
    for user in range(users):
        for when, item in enumerate(rng.choice(ITEMS, ITEMS_EACH, replace=False, p=popularity / popularity.sum())):
            lines.append(f"u{user},i{item},{rng.integers(1, 6)},{1_000_000 + 1000 * user + when}")
    path.write_text("\n".join(lines) + "\n")
    return path


def small_flags(csv: Path) -> list[str]:
    """Flags of a run that takes well under a second."""
    return [
        *("--dataset", f"csv:{csv}", "--csv-columns", COLUMNS, "--clients", "3", "--rounds", "1"),
        *("--factors", "4", "--probe-pairs", "20"),
    ]
