"""How the numbers of the MLP branch lie in one flat vector, which is what travels and what the server steps on."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from common.models.model import FloatArray, Layout


@dataclass(frozen=True)
class TowerLayout:
    """A tower reads a user's and an item's vector side by side; every layer is followed by a ReLU, then `h` sums up.

    Fields:
        vector_length: Length of the user's vector, and of the item's; 0 where there is no MLP branch.
        widths: Units of each layer, from the one that reads the vectors to the one that `h` reads.
    """

    vector_length: int
    widths: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers a network has."""
        if not self.vector_length:
            return 0
        return sum(rows * (columns + 1) for rows, columns in self._layers()) + self.widths[-1]

    def split(self, network: FloatArray) -> tuple[list[tuple[FloatArray, FloatArray]], FloatArray]:
        """Return views: for each layer its weights (units, inputs) and biases (units,), then h (units of the last,)."""
        layers, start = [], 0
        for rows, columns in self._layers():
            middle, end = start + rows * columns, start + rows * (columns + 1)
            layers.append((network[start:middle].reshape(rows, columns), network[middle:end]))
            start = end
        return layers, network[start:]

    def initial(self, output_scale: float, rng: np.random.Generator) -> FloatArray:
        """Draw weights from N(0, 2 / inputs) [He et al. (2015)], h from N(0, output_scale^2); biases are zero."""
        network = np.zeros(self.size, dtype=np.float32)
        if network.size:
            layers, output = self.split(network)
            for weights, _ in layers:
                weights[:] = rng.normal(0.0, np.sqrt(2.0 / weights.shape[1]), weights.shape)
            output[:] = rng.normal(0.0, output_scale, output.shape)
        return network

    def _layers(self) -> list[tuple[int, int]]:
        return [(rows, columns) for columns, rows in pairwise((2 * self.vector_length, *self.widths))]


def gradient_layout(item_count: int, vector_length: int, network_size: int) -> Layout:
    """Return the arrays that hold one number for each parameter which is shared: items, biases, network."""
    return {
        "item_factors": ("<f4", (item_count, vector_length)),
        "item_bias": ("<f4", (item_count,)),
        "network": ("<f4", (network_size,)),
    }
