"""The gradient of NCF under binary cross-entropy for a client with one user: closed forms on the rows it touches.

With one user the pairs are the touched rows, so what `bce_gradient` gathers sample by sample are products of a whole
matrix here: with n_i the samples of an item and y_i those that are interactions, dL / ds_i = n_i sigmoid(s_i) - y_i =
e_i, the gradient of the item's vector in the GMF branch is e_i p and that of the user's sum_i e_i q_i. The MLP branch
goes backwards by hand. Nothing needs torch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.models.bce_samples import BceGradient
from common.models.model import FloatArray
from common.models.ncf_layout import TowerLayout


class Touched(NamedTuple):
    """The items of one user's samples, as many of each array.

    Fields:
        rows: Ascending.
        counts: float32, how many samples have the item.
        positives: float32, how many of these are interactions.
    """

    rows: NDArray[np.intp]
    counts: FloatArray
    positives: FloatArray


def touched_by(positives: NDArray[np.integer], negatives: NDArray[np.integer], item_count: int) -> Touched:
    """Return what one user's interactions and drawn negatives touch in a catalogue of `item_count` items."""
    interactions = np.bincount(positives, minlength=item_count)
    counts = interactions + np.bincount(negatives, minlength=item_count)
    rows = np.flatnonzero(counts)
    return Touched(rows, counts[rows].astype(np.float32), interactions[rows].astype(np.float32))


def one_user_gradient(
    layout: TowerLayout, network: FloatArray, items: tuple[FloatArray, FloatArray], vector: FloatArray, touched: Touched
) -> BceGradient:
    """Differentiate the loss of `common.models.bce_gradient` with shares of one, in the touched rows alone.

    Args:
        layout: Of the network; `vector_length` 0 leaves the MLP branch out.
        network: Shape (network size,).
        items: Vectors and biases of the whole catalogue, of which no copy is made.
        vector: Of the user. Shape (vector length,).
        touched: The user's samples.

    Returns:
        Gradients of the user's vector, shape (1, vector length), of the touched rows and of the network.
    """
    d = len(vector) - layout.vector_length
    rows = items[0][touched.rows]
    p, q = vector[:d], rows[:, :d]
    scores = q @ p + items[1][touched.rows]
    activations: list[FloatArray] = []
    layers, output = layout.split(network) if layout.vector_length else ([], network)
    for level, (weights, biases) in enumerate(layers):
        if level == 0:  # the user's half is the same for all rows
            user_weights, item_weights = np.split(weights, 2, axis=1)
            inputs = rows[:, d:] @ item_weights.T + (user_weights @ vector[d:] + biases)
        else:
            inputs = activations[-1] @ weights.T + biases
        activations.append(np.maximum(inputs, 0.0, out=inputs))
    if activations:
        scores += activations[-1] @ output
    errors = touched.counts * (0.5 + 0.5 * np.tanh(0.5 * scores)) - touched.positives  # sigmoid, without overflow
    user, items_gradient = np.empty_like(vector)[None, :], np.empty_like(rows)
    user[0, :d] = errors @ q
    np.multiply.outer(errors, p, out=items_gradient[:, :d])
    gradient = np.empty_like(network)
    if activations:
        parts, sums = layout.split(gradient)
        sums[:] = errors @ activations[-1]
        slopes = np.multiply.outer(errors, output)
        for level in range(len(layers) - 1, 0, -1):
            slopes *= activations[level] > 0
            np.matmul(slopes.T, activations[level - 1], out=parts[level][0])
            parts[level][1][:] = slopes.sum(axis=0)
            slopes = slopes @ layers[level][0]
        slopes *= activations[0] > 0
        by_unit = slopes.sum(axis=0)
        parts[0][0][:] = np.concatenate((np.outer(by_unit, vector[d:]), slopes.T @ rows[:, d:]), axis=1)
        parts[0][1][:] = by_unit
        user[0, d:] = by_unit @ user_weights
        np.matmul(slopes, item_weights, out=items_gradient[:, d:])
    return BceGradient(user, items_gradient, errors, gradient)
