"""The norms that a client clips by and a server bounds by: both must measure alike."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import CheckFailed


def joint_norm(arrays: Mapping[str, NDArray[Any]], names: Iterable[str]) -> float:
    """Return the L2 norm of the named arrays, taken as one vector, in float64.

    For a symmetric array this is the norm of its isometric vectorisation too: the upper triangle, off-diagonals times
    sqrt(2). Entries are divided by the largest first, so that no square overflows or vanishes.

    Raises:
        CheckFailed: an entry is not finite, or the norm is beyond float64.
    """
    chosen = [arrays[name] for name in names]
    largest = max((float(np.max(np.abs(array))) for array in chosen if array.size), key=_nan_is_largest, default=0.0)
    if largest == 0.0:
        return 0.0
    if math.isfinite(largest):
        parts = [np.divide(array, largest, dtype=np.float64) for array in chosen]
        norm = largest * math.sqrt(sum(float(np.vdot(part, part)) for part in parts))
        if math.isfinite(norm):
            return norm
    raise CheckFailed("The update holds a number that is not finite; lower the learning rate or look at the data.")


def largest_honest_norm(
    clipping_norm: float, noise_multiplier: float, entries: int, failure_probability: float
) -> float:
    """Bound the norm of an honest noisy vector: a server may reject what is longer, `clipping_norm` alone it may not.

    A vector of norm at most C plus noise Z of variance sigma^2 in each of n entries; |Z| is a sigma-Lipschitz function
    of independent normals with mean at most sigma sqrt(n) [Boucheron, Lugosi, Massart (2013), Theorem 5.6]:

        P(|v + Z| > C + sigma (sqrt(n) + sqrt(2 ln(1/p)))) <= p

    It holds as well for a part of the vector, such as a row, as C bounds every part: give that part's entries, and
    divide p by the number of parts. It holds for a symmetric array whose noise is symmetric, and after `nearest_psd`,
    because a projection onto a convex cone lengthens nothing.

    Args:
        clipping_norm: C.
        noise_multiplier: sigma / C, at least 0.
        entries: n.
        failure_probability: p, how often an honest vector may be longer. In (0, 1).
    """
    deviation = math.sqrt(entries) + math.sqrt(2 * math.log(1 / failure_probability))
    return clipping_norm * (1 + noise_multiplier * deviation)


def _nan_is_largest(value: float) -> float:
    return math.inf if math.isnan(value) else value
