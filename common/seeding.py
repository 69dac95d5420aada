"""Random generators for everything that must repeat: initialisation, splits, partitions, volunteers.

Noise, masks and secret sampling never come from here: they use operating-system entropy.
"""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Return the generator of one purpose, independent of every other purpose of the same seed.

    Args:
        seed: The run's seed, at least 0.
        purpose: What the numbers are for, such as "partition". Two purposes never share a stream.
        indices: Further coordinates, such as a round or a client.
    """
    label = "/".join(["tfedrs", str(seed), purpose, *map(str, indices)])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(label.encode()).digest(), "big"))
