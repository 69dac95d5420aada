"""A trained item space, its users, and what can be said of it without a picture."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from common.config import Settings
from common.data.user_items import NO_ITEM, UserItems
from common.models import FloatArray, model_of
from common.seeding import generator
from common.update import decode_model
from launch.commands.simulate import simulate
from launch.preparation import prepare_data
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions
from server.run_folder import RunFolder

NEIGHBOURS, RECOMMENDED = 10, 10


@dataclass(frozen=True, eq=False)
class ItemSpace:
    """What a federation learned.

    Fields:
        vectors: float32, shape (items, factors), of length 1 (0 where nothing was learned).
        shown: int64, ascending: the items with enough training interactions to have a place.
        train: What is known of users.
        test: int32, shape (users,), `NO_ITEM` where there is none.
        recommended: int32, shape (users, 10), best first: unseen items.
        genres: Of each item, the first being its main one; None where the data set has none.
        seed: Draws users and rivals.
    """

    vectors: FloatArray
    shown: NDArray[np.int64]
    train: UserItems
    test: NDArray[np.int32]
    recommended: NDArray[np.int32]
    genres: tuple[tuple[str, ...], ...] | None
    seed: int

    @property
    def counts(self) -> NDArray[np.int64]:
        """Training interactions of each item. Shape (items,)."""
        return np.bincount(self.train.items, minlength=len(self.vectors))

    def draw_users(self, count: int) -> list[int]:
        """Draw distinct users who have a test item with a place on the map."""
        able = np.flatnonzero(np.isin(self.test, self.shown))
        return sorted(generator(self.seed, "users-shown").choice(able, count, replace=False).tolist())

    def shared_genres(self) -> tuple[float, float]:
        """Return the share of an item's 10 nearest shown items with a genre of its own, and of 10 random ones.

        Items without a genre share none.

        Raises:
            ValueError: there are no genres.
        """
        if self.genres is None:
            raise ValueError("the data set has no genres")
        names = sorted({genre for genres in self.genres for genre in genres})
        has = np.array([[name in self.genres[item] for name in names] for item in self.shown], dtype=np.float32)
        shares = has @ has.T > 0
        vectors = self.vectors[self.shown]
        cosines = vectors @ vectors.T
        np.fill_diagonal(cosines, -np.inf)
        nearest = np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        others = ~np.eye(len(vectors), dtype=np.bool_)
        return float(np.take_along_axis(shares, nearest, axis=1).mean()), float(shares[others].mean())

    def nearness_of_recommendations(self, users: NDArray[np.integer]) -> tuple[float, float]:
        """Return the mean cosine of a recommendation to the nearest item its user has, and of random unseen items.

        Random items are drawn among those shown, as often as there are recommendations and in proportion to their
        training interactions: recommendations are popular items, and these are near to many. Users without items are
        passed over.
        """
        rng = generator(self.seed, "random-items")
        counts = self.counts
        recommended, random = [], []
        for user in users.tolist():
            own = self.vectors[self.train.items_of(user)]
            if not len(own):
                continue
            unseen = np.setdiff1d(self.shown, self.train.items_of(user))
            chances = counts[unseen] / counts[unseen].sum()
            recommended.append(_nearest(self.vectors[self.recommended[user]], own))
            random.append(_nearest(self.vectors[rng.choice(unseen, RECOMMENDED, p=chances)], own))
        return float(np.mean(recommended)), float(np.mean(random))


def _nearest(vectors: FloatArray, own: FloatArray) -> FloatArray:
    nearest: FloatArray = (vectors @ own.T).max(axis=1)
    return nearest


def trained_space(settings: Settings, data_root: Path | None, least_interactions: int) -> ItemSpace:
    """Train a federation with a ledger in memory, and return the space of its last model."""
    data = prepare_data(settings, data_root)
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            out=Path(folder) / "run", chain=MEMORY, account_dir=None, deployment=None, data_root=data_root
        )
        report = simulate(settings, options, Console(stderr=True, quiet=True))
        last = RunFolder(Path(report["folder"])).get_object(report["rounds"][-1]["model"])
    state = decode_model(last).arrays
    model = model_of(settings).at(state)
    scores = model.scores(state, model.fold_in(state, data.train))
    factors: FloatArray = np.asarray(state["item_factors"], dtype=np.float32)
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    counts = np.bincount(data.split.train.items, minlength=len(factors))
    return ItemSpace(
        vectors=np.divide(factors, lengths, out=np.zeros_like(factors), where=lengths > 0),
        shown=np.flatnonzero(counts >= least_interactions),
        train=data.split.train,
        test=data.split.test,
        recommended=recommendations(scores, data.split.train, [data.split.validation]),
        genres=data.dataset.genres,
        seed=settings.seed,
    )


def recommendations(scores: FloatArray, train: UserItems, also_known: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Return each user's best items among those not known, best first. Shape (users, 10)."""
    left = scores.copy()
    left[train.users, train.items] = -np.inf
    for known in also_known:
        users = np.flatnonzero(known != NO_ITEM)
        left[users, known[users]] = -np.inf
    return np.argsort(-left, axis=1, kind="stable")[:, :RECOMMENDED].astype(np.int32)
