"""A short vector for each update, whose angles are those of the updates' rows.

Count sketch [Charikar, Chen, Farach-Colton (2002)]: every item falls into one of 64 buckets with a sign, and the sums
of its row are added there. Inner products are kept in expectation; with 64 buckets of 64 numbers a cosine is off by
about .016. Buckets and signs follow from the round's link of the seed chain, which nobody else knows before everybody
has committed, so no update can be made to look like another one or unlike it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.models.row_claims import RowClaims

BUCKETS = 64

Sketch = NDArray[np.float64]
"""Of unit length, or zero for an update of zeros. Shape (64 x vector length,)."""


def row_sketches(claims: Mapping[str, tuple[RowClaims, ...]], item_count: int, seed: bytes) -> dict[str, Sketch]:
    """Return a sketch of each update that says anything of rows, by account.

    Args:
        claims: By account.
        item_count: Of the catalogue.
        seed: 32 bytes; decides buckets and signs.
    """
    rng = np.random.default_rng(int.from_bytes(seed, "big"))
    signs = np.zeros((BUCKETS, item_count), dtype=np.float32)
    signs[rng.integers(0, BUCKETS, item_count), np.arange(item_count)] = rng.choice(
        np.array([-1, 1], dtype=np.float32), item_count
    )
    sketches = {}
    for account, branches in claims.items():
        parts = [_unit((signs[:, one.row_ids] @ one.sums).astype(np.float64).ravel()) for one in branches]
        if parts:
            sketches[account] = _unit(np.concatenate(parts))
    return sketches


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.sqrt(np.dot(vector, vector)))
    return vector / length if length > 0 else vector
