"""Recommend to everybody what most people took: the floor for anything that learns."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.data.splits import Split
from common.models import Arrays, FloatArray
from experiments.baselines.array_rounds import Measured, measure


@dataclass(frozen=True)
class Popularity:
    """Scores an item by its training interactions, whoever asks. State: "counts" float32 (items,)."""

    rating_range: ClassVar[None] = None

    def scores(self, state: Arrays, user_vectors: FloatArray) -> FloatArray:
        """Return the counts once for each user vector. Shape (users, items)."""
        return np.tile(state["counts"], (len(user_vectors), 1))


def popularity(split: Split) -> Measured:
    """Count training interactions and evaluate."""
    counts = np.bincount(split.train.items, minlength=split.train.item_count).astype(np.float32)
    nobodys_vector = np.empty((split.train.user_count, 0), dtype=np.float32)
    return measure(Popularity(), {"counts": counts}, nobodys_vector, split)
