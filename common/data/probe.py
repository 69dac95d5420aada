"""The probe pool: public histories of volunteers, by which peers measure what an update is worth.

A seeded share of the users volunteer. Some of their training items are held out, taken out of their training,
and asked for again from the rest of their history. Validation and test items never enter.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from eth_hash.auto import keccak
from numpy.typing import NDArray

from common.data.array_file import load_arrays, save_arrays
from common.data.user_items import UserItems
from common.errors import WrongUse
from common.seeding import generator

LEAST_PAIRS_PER_SHARD = 200  # below this a shard cannot tell a good update from a neutral one
_HELD_OUT_EACH = range(10, 21)  # few volunteers with many pairs each: a shard costs one fold-in a volunteer
_LARGEST_SHARE_HELD_OUT = 3  # a third: the rest of the history must still say what the volunteer likes
_MAGIC = b"TFRSPRB2"

PROBE_FILE = "probe.npz"
"""The pool, in the coordinator's folder and in every participant's."""


@dataclass(frozen=True, eq=False)
class ProbeShard:
    """What one evaluator scores updates on. Volunteers are rows without ids.

    Fields:
        histories: Of the volunteers, without the held-out items.
        held_out_users: int32, shape (pairs,), a row of `histories`; with the items ascending by (row, item).
        held_out_items: int32, shape (pairs,), at least one pair.
        held_out_ratings: float32, shape (pairs,), finite; 1 where the data set has no ratings.

    Raises:
        ValueError: an array breaks one of these promises.
    """

    histories: UserItems
    held_out_users: NDArray[np.int32]
    held_out_items: NDArray[np.int32]
    held_out_ratings: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, array, bound in (
            ("held_out_users", self.held_out_users, self.histories.user_count),
            ("held_out_items", self.held_out_items, self.histories.item_count),
        ):
            if array.dtype != np.int32 or array.ndim != 1 or array.size == 0:
                raise ValueError(f"{name} must be one-dimensional int32 with at least one entry")
            if not 0 <= array.min() <= array.max() < bound:
                raise ValueError(f"{name} has an entry outside 0..{bound - 1}")
        if self.held_out_users.size != self.held_out_items.size:
            raise ValueError("held_out_users and held_out_items must be of one length")
        if self.held_out_ratings.dtype != np.float32 or self.held_out_ratings.shape != self.held_out_items.shape:
            raise ValueError("held_out_ratings must be float32, one for each held-out pair")
        if not np.isfinite(self.held_out_ratings).all():
            raise ValueError("held_out_ratings must be finite")
        keys = self.held_out_users.astype(np.int64) * self.histories.item_count + self.held_out_items
        if np.any(np.diff(keys) <= 0):
            raise ValueError("held-out pairs must ascend without repeats")
        if self.histories.contains(self.held_out_users, self.held_out_items).any():
            raise ValueError("a held-out item is still in its history")

    def digest(self) -> bytes:
        """Return keccak256 of the canonical bytes: magic, four u64 sizes, then the arrays, little-endian."""
        rows = self.histories
        sizes = struct.pack("<4Q", rows.user_count, rows.items.size, self.held_out_users.size, rows.item_count)
        arrays = (
            rows.indptr.astype("<i8"),
            rows.items.astype("<i4"),
            rows.ratings.astype("<f4"),
            rows.timestamps.astype("<i8"),
            self.held_out_users.astype("<i4"),
            self.held_out_items.astype("<i4"),
            self.held_out_ratings.astype("<f4"),
        )
        return keccak(_MAGIC + sizes + b"".join(array.tobytes() for array in arrays))


def draw_probe_pool(
    train: UserItems, shards: int, pairs_per_shard: int, volunteer_share: float, seed: int
) -> tuple[tuple[ProbeShard, ...], UserItems]:
    """Draw the volunteers and their held-out items.

    A volunteer gives 10 to 20 items where it can, as few of them as fill the shards, and never more than a
    third of its history. Where the volunteers cannot fill the shards, more users are asked, in the seeded
    order, and in the end for a full third each.

    Args:
        train: Training interactions only.
        shards: How many, at least 1; no volunteer is in two.
        pairs_per_shard: Held-out pairs in each, exactly; the protocol asks for at least 200.
        volunteer_share: Of the users, above 0 and at most 1.
        seed: Draws the volunteers and the items.

    Returns:
        The shards, and `train` without the held-out pairs.

    Raises:
        WrongUse: an argument is out of its range, or all users together cannot fill the shards.
    """
    if shards < 1 or pairs_per_shard < 1:
        raise WrongUse("the probe pool needs at least one shard and one pair in it: raise both to 1 or more.")
    if not 0 < volunteer_share <= 1:
        raise WrongUse(f"the volunteer share is {volunteer_share}: set it above 0 and at most 1.")
    rng = generator(seed, "volunteers")
    asked = rng.permutation(train.user_count)
    groups = _group_volunteers(train, asked, shards, pairs_per_shard, volunteer_share)
    drawn = [_draw_shard(train, group, rng) for group in groups]
    pool = tuple(shard for shard, _ in drawn)
    users = np.concatenate([volunteers[shard.held_out_users] for shard, volunteers in drawn])
    items = np.concatenate([shard.held_out_items for shard in pool])
    return pool, train.without(users, items)


def public_histories(pool: Sequence[ProbeShard]) -> UserItems:
    """Return all volunteers' histories, which everybody has, without the held-out pairs that peers score by."""
    return UserItems.stacked([shard.histories for shard in pool])


def save_probe_pool(path: Path, pool: Sequence[ProbeShard]) -> None:
    """Write all shards into one npz file, whole or not at all."""
    arrays: dict[str, NDArray[np.generic]] = {"shards": np.array(len(pool), dtype=np.int64)}
    for index, shard in enumerate(pool):
        arrays |= shard.histories.to_arrays(f"shard{index}")
        arrays[f"shard{index}_held_out_users"] = shard.held_out_users
        arrays[f"shard{index}_held_out_items"] = shard.held_out_items
        arrays[f"shard{index}_held_out_ratings"] = shard.held_out_ratings
    save_arrays(path, arrays)


def load_probe_pool(path: Path) -> tuple[ProbeShard, ...]:
    """Read the shards and check everything in them.

    Raises:
        WrongUse: the file is missing, damaged, or not a probe pool.
    """
    arrays = load_arrays(path)
    try:
        shards = arrays["shards"]
        if shards.shape != () or shards.dtype != np.int64 or not 1 <= int(shards) <= len(arrays):
            raise ValueError("shards must be one int64, at least 1")
        return tuple(
            ProbeShard(
                UserItems.from_arrays(arrays, f"shard{index}"),
                arrays[f"shard{index}_held_out_users"],  # type: ignore[arg-type]  # the class checks the dtypes
                arrays[f"shard{index}_held_out_items"],  # type: ignore[arg-type]
                arrays[f"shard{index}_held_out_ratings"],  # type: ignore[arg-type]
            )
            for index in range(int(shards))
        )
    except KeyError as error:
        raise WrongUse(f"{path} has no array {error}: let the launcher write it again.") from error
    except ValueError as error:
        raise WrongUse(f"{path} is not a probe pool ({error}): let the launcher write it again.") from error


def _group_volunteers(
    train: UserItems, asked: NDArray[np.int64], shards: int, pairs_per_shard: int, volunteer_share: float
) -> list[list[tuple[int, int]]]:
    """Return, for each shard, its volunteers as (user, items to hold out)."""
    third = train.counts // _LARGEST_SHARE_HELD_OUT
    volunteers = asked[: max(1, int(np.ceil(volunteer_share * asked.size)))]
    attempts = [(volunteers, most) for most in _HELD_OUT_EACH]
    attempts += [(asked, max(_HELD_OUT_EACH)), (asked, int(third.max(initial=0)))]
    for users, most in attempts:
        groups = _fill_shards(users, np.minimum(third, most), shards, pairs_per_shard)
        if len(groups) == shards:
            return groups
    raise WrongUse(
        f"{asked.size} users can give {int(third.sum())} probe pairs, too few for {shards} shards of "
        f"{pairs_per_shard} with no user in two: use fewer clients, smaller shards or a larger data set."
    )


def _fill_shards(
    users: NDArray[np.int64], most: NDArray[np.int64], shards: int, pairs_per_shard: int
) -> list[list[tuple[int, int]]]:
    """Fill shard after shard in the order of `users`; return the full ones, so fewer where users run out."""
    full: list[list[tuple[int, int]]] = []
    shard: list[tuple[int, int]] = []
    missing = pairs_per_shard
    for user in users[most[users] > 0].tolist():
        given = min(int(most[user]), missing)
        shard.append((user, given))
        missing -= given
        if missing == 0:
            full.append(shard)
            if len(full) == shards:
                break
            shard, missing = [], pairs_per_shard
    return full


def _draw_shard(
    train: UserItems, group: list[tuple[int, int]], rng: np.random.Generator
) -> tuple[ProbeShard, NDArray[np.int64]]:
    """Hold out the items of one shard; also return the user behind each row."""
    volunteers = np.array([user for user, _ in group], dtype=np.int64)
    rows = np.repeat(np.arange(len(group), dtype=np.int32), [given for _, given in group])
    items = np.concatenate([np.sort(rng.choice(train.items_of(user), given, replace=False)) for user, given in group])
    full = train.take(volunteers)
    return ProbeShard(full.without(rows, items), rows, items, full.ratings_of(rows, items)), volunteers
