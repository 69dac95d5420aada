"""What a client learnt for its own users, in its folder: for their own screens, never to leave it."""

from pathlib import Path

import numpy as np

from client.personalisation.local_steps import is_a
from client.personalisation.personal import Personal
from common.config import PERSONALISATIONS
from common.data.array_file import load_arrays, save_arrays
from common.errors import WrongUse

_STATE = "state/"


def save_personal(path: Path, model: str, personal: Personal) -> None:
    """Write it (mode 600), whole or not at all.

    Args:
        path: The file.
        model: Name (sha256) of the global model that it was learnt for.
        personal: What was learnt.
    """
    state = {f"{_STATE}{name}": array for name, array in personal.local_state.items()}
    rest = {
        "model": np.array(model),
        "kind": np.array(personal.kind),
        "alpha": np.array(personal.alpha, dtype=np.float64),
        "vectors": personal.local_vectors,
    }
    save_arrays(path, rest | state)


def load_personal(path: Path, users: int) -> tuple[str, Personal]:
    """Read the name of the global model, and what was learnt for it.

    Raises:
        WrongUse: the file is damaged, or not of this many users.
    """
    arrays = load_arrays(path)
    try:
        model, kind, alpha, vectors = str(arrays["model"]), str(arrays["kind"]), arrays["alpha"], arrays["vectors"]
        if len(model) != 64 or set(model) - set("0123456789abcdef"):
            raise ValueError("the name of the model is none")
        if kind not in PERSONALISATIONS[1:]:
            raise ValueError(f"there is no personalisation {kind[:20]!r}")
        if alpha.dtype != np.float64 or alpha.shape != () or not 0 <= float(alpha) <= 1:
            raise ValueError("alpha is not a number in [0, 1]")
        if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != users:
            raise ValueError(f"they are not the vectors of {users} users")
        state = {name.removeprefix(_STATE): array for name, array in arrays.items() if name.startswith(_STATE)}
        numbers = [array for array in (vectors, *state.values()) if array.dtype.kind == "f"]
        if not all(np.isfinite(array).all() for array in numbers):
            raise ValueError("a number is not finite")
        items = [array for name, array in state.items() if is_a(name, "item_factors")]
        if not items or any(array.dtype != np.float32 or array.ndim != 2 for array in items):
            raise ValueError("it has no items' vectors")
        return model, Personal(kind, float(alpha), state, vectors)  # type: ignore[arg-type]  # dtypes were checked
    except (KeyError, ValueError) as error:
        raise WrongUse(f"{path} cannot be read ({error}); remove it, the next round writes it again.") from error
