"""What one client knows: its own users' interactions and nobody else's, in one file of its folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.data.array_file import load_arrays, save_arrays
from common.data.negatives import CANDIDATE_COUNT
from common.data.user_items import NO_ITEM, UserItems
from common.errors import WrongUse


@dataclass(frozen=True, eq=False)
class ClientPart:
    """One client's users. Row u of everything is `user_ids[u]`.

    Fields:
        user_ids: The ids of the data set, at least one.
        train: What the client trains on; volunteers' probe items are taken out.
        seen: The training items with the probe items still in. A ranking over the full catalogue leaves these
            out, and for the test item the validation item too.
        validation, test: int32, shape (users,), `NO_ITEM` where there is none.
        candidates: int32, shape (users, 99), rows of `NO_ITEM` where there is no test item.
        validation_ratings, test_ratings: float32, shape (users,), of the held-out items; NaN where there is none.

    Raises:
        ValueError: an array breaks one of these promises.
    """

    user_ids: tuple[str, ...]
    train: UserItems
    seen: UserItems
    validation: NDArray[np.int32]
    test: NDArray[np.int32]
    candidates: NDArray[np.int32]
    validation_ratings: NDArray[np.float32]
    test_ratings: NDArray[np.float32]

    def __post_init__(self) -> None:
        users, item_count = len(self.user_ids), self.train.item_count
        if not users == self.train.user_count == self.seen.user_count or users == 0:
            raise ValueError("user_ids, train and seen must have the same users, at least one")
        if self.seen.item_count != item_count:
            raise ValueError("train and seen must have the same catalogue")
        if not self.seen.contains(self.train.users, self.train.items).all():
            raise ValueError("every training item must be a seen item")
        for name, array, shape in (
            ("validation", self.validation, (users,)),
            ("test", self.test, (users,)),
            ("candidates", self.candidates, (users, CANDIDATE_COUNT)),
        ):
            if array.dtype != np.int32 or array.shape != shape:
                raise ValueError(f"{name} must be int32 of shape {shape}")
            if array.min() < NO_ITEM or array.max() >= item_count:
                raise ValueError(f"{name} has an item outside -1..{item_count - 1}")
        everybody = np.arange(users)
        for held_out, ratings in ((self.validation, self.validation_ratings), (self.test, self.test_ratings)):
            if self.seen.contains(everybody, held_out).any():
                raise ValueError("a held-out item is among the training items")
            if ratings.dtype != np.float32 or ratings.shape != (users,):
                raise ValueError(f"held-out ratings must be float32 of shape {(users,)}")
            if np.any(np.isinf(ratings)) or np.any(np.isnan(ratings) != (held_out == NO_ITEM)):
                raise ValueError("held-out ratings must be finite, and NaN just where there is no held-out item")

    def save(self, path: Path) -> None:
        """Write the part, whole or not at all."""
        arrays: dict[str, NDArray[np.generic]] = {
            "user_ids": np.array(self.user_ids),
            "validation": self.validation,
            "test": self.test,
            "candidates": self.candidates,
            "validation_ratings": self.validation_ratings,
            "test_ratings": self.test_ratings,
        }
        save_arrays(path, arrays | self.train.to_arrays("train") | self.seen.to_arrays("seen"))

    @classmethod
    def load(cls, path: Path) -> "ClientPart":
        """Read a part and check everything in it.

        Raises:
            WrongUse: the file is missing, damaged, or not a client's part.
        """
        arrays = load_arrays(path)
        try:
            user_ids = arrays["user_ids"]
            if user_ids.dtype.kind != "U" or user_ids.ndim != 1:
                raise ValueError("user_ids must be one-dimensional text")
            return cls(
                tuple(str(user_id) for user_id in user_ids),
                UserItems.from_arrays(arrays, "train"),
                UserItems.from_arrays(arrays, "seen"),
                arrays["validation"],  # type: ignore[arg-type]  # the class checks the dtypes
                arrays["test"],  # type: ignore[arg-type]
                arrays["candidates"],  # type: ignore[arg-type]
                arrays["validation_ratings"],  # type: ignore[arg-type]
                arrays["test_ratings"],  # type: ignore[arg-type]
            )
        except KeyError as error:
            raise WrongUse(f"{path} has no array {error}: let the launcher write it again.") from error
        except ValueError as error:
            raise WrongUse(f"{path} is not a client's part ({error}): let the launcher write it again.") from error
