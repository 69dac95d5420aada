"""The users' vectors as a client keeps them: for its users' own screens, never to leave its folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.data.array_file import load_arrays, save_arrays
from common.errors import WrongUse
from common.models import FloatArray


@dataclass(frozen=True, eq=False)
class UserVectors:
    """One vector for each user of the client, in the order of its `ClientPart.user_ids`.

    Attributes:
        model: Name (sha256) of the global model that they were fitted on; they mean nothing with another.
        vectors: float32, shape (users, factors), finite.
    """

    model: str
    vectors: FloatArray

    def save(self, path: Path) -> None:
        """Write them (mode 600), whole or not at all."""
        save_arrays(path, {"model": np.array(self.model), "vectors": self.vectors})

    @staticmethod
    def load(path: Path, users: int) -> "UserVectors":
        """Read them.

        Raises:
            WrongUse: the file is damaged, or not those of this many users.
        """
        arrays = load_arrays(path)
        try:
            model, vectors = str(arrays["model"]), arrays["vectors"]
            if len(model) != 64 or set(model) - set("0123456789abcdef"):
                raise ValueError("the name of the model is none")
            if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != users:
                raise ValueError(f"they are not the vectors of {users} users")
            if not np.isfinite(vectors).all():
                raise ValueError("a number is not finite")
            return UserVectors(model, vectors)  # type: ignore[arg-type]  # the dtype was checked
        except (KeyError, ValueError) as error:
            raise WrongUse(f"{path} cannot be read ({error}); remove it, the next round writes it again.") from error
