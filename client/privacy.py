"""What an update goes through before it leaves a client: dense rows, one clip, noise. Pure functions on named arrays.

    densify -> clip_jointly -> add_gaussian_noise -> nearest_psd, with public values for all the rest: `noisy_release`

The order matters. Noise on touched rows alone hides nothing, because which rows were touched gives them away; so rows
become dense first. The clip spans everything that gets noise; whatever else would be sent is withheld, and a public
value stands in its place.

What comes later has its place around these functions, not in them. Exposure-scaled noise [T-FedRS eq. 5]: divide by
public scales before `clip_jointly`, multiply by them after `add_gaussian_noise`. Laplace and integer noise: a function
beside `add_gaussian_noise`, with its release beside those of `common/accounting.py`.

The epsilons take the noise to be real numbers from an ideal source. It is drawn in float64 and rounded to the array's
type, which is post-processing of the drawn value; attacks on the lowest bits of float64 sums [Mironov (2012), for
Laplace] are not defended against.
"""

import secrets
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from common.errors import CheckFailed
from common.models.model import Arrays, NoisyForm
from common.norms import joint_norm

_ROUNDING = 1e-6
"""Relative: how far a clipped norm may lie above the clipping norm after rounding to float32."""


def operating_system_generator() -> np.random.Generator:
    """Make a generator for one update's noise from 32 bytes of operating-system entropy; take a new one each time.

    Rows that no user touched are zero, so whoever sees a noisy update sees some of the drawn numbers bare. That must
    not lead to the others: the state of numpy's default, PCG64, was recovered from 512 bytes of its output
    [Bouillaguet, Martinez, Sauvage (2020)]. Philox is a block cipher with few rounds and a key of 128 bits; no such
    attack on it is known, but it is not certified for cryptography either.

    The insecure alternative, for tests and `--insecure-deterministic-noise`, is any seeded generator in its place.
    """
    entropy = secrets.token_bytes(32)
    key, start = int.from_bytes(entropy[:16]), int.from_bytes(entropy[16:])
    return np.random.Generator(np.random.Philox(key=key, counter=start))


def noisy_release(
    update: Arrays,
    form: NoisyForm,
    item_count: int,
    clipping_norm: float,
    noise_multiplier: float,
    entropy: np.random.Generator,
) -> Arrays:
    """Turn an update into what may leave the client: one Gaussian mechanism on one vector, and public values.

    Args:
        update: As `local_step` made it.
        form: What the model says about updates with noise.
        item_count: Size of the public catalogue.
        clipping_norm: C, positive and finite.
        noise_multiplier: sigma / C, positive and finite.
        entropy: `operating_system_generator()`; anything else voids every epsilon.

    Raises:
        CheckFailed: the update, or the noise, holds a number that is not finite.
        ValueError: the form and the update do not fit, or an argument is not as said above.
    """
    if set(update) != {*form.noisy, *form.public}:
        raise ValueError("the form must say of every array of the update whether it gets noise or is withheld")
    dense = densify(update, form.row_arrays, item_count) if form.row_arrays else update
    clipped, _ = clip_jointly({name: dense[name] for name in form.noisy}, form.noisy, clipping_norm)
    noisy = add_gaussian_noise(clipped, form.noisy, noise_multiplier, clipping_norm, entropy, form.semidefinite)
    return noisy | {name: nearest_psd(noisy[name]) for name in form.semidefinite} | form.public


def densify(update: Arrays, row_arrays: Collection[str], item_count: int) -> Arrays:
    """Spread the rows of an update over the whole catalogue, so that row ids tell nothing.

    Row i of each of `row_arrays` is item i's afterwards; rows that were not sent are zeros. "row_ids" becomes 0 ..
    item_count - 1. Other arrays are as before.

    Args:
        update: With "row_ids" uint32 ascending, all below `item_count`.
        row_arrays: Names of arrays whose first axis follows the row ids.
        item_count: Size of the public catalogue.
    """
    row_ids = update["row_ids"]
    dense = dict(update) | {"row_ids": np.arange(item_count, dtype=row_ids.dtype)}
    for name in row_arrays:
        rows = update[name]
        dense[name] = np.zeros((item_count, *rows.shape[1:]), dtype=rows.dtype)
        dense[name][row_ids] = rows
    return dense


def clip_jointly(arrays: Arrays, names: Collection[str], clipping_norm: float) -> tuple[Arrays, float]:
    """Shorten the named arrays, taken as one vector, to at most `clipping_norm`.

    clipped = v min(1, C / |v|), with |v| the joint L2 norm      [McMahan et al. (2018), ICLR, Algorithm 1, FlatClip]

    | case                      | result                                                 |
    |---------------------------|--------------------------------------------------------|
    | norm zero                 | the very arrays that came; no division by zero         |
    | norm below or exactly C   | the very arrays that came, byte for byte               |
    | norm above C              | new arrays, same types                                 |
    | NaN, infinity             | CheckFailed, nothing is returned                       |
    | squares beyond float64    | clipped like any other; only a norm beyond it fails    |
    | no names, empty arrays    | norm zero                                              |
    | arrays not named          | the very arrays that came                              |

    Args:
        arrays: Not changed.
        names: Float32 or float64 arrays of any shape, each once.
        clipping_norm: C, positive and finite.

    Returns:
        All arrays, the named ones clipped; and the joint norm before the clip, which is the client's secret.

    Guarantees (up to rounding to the arrays' types):
        The joint norm is at most C.
        The direction is kept.

    Raises:
        CheckFailed: an entry is not finite, or the norm is beyond float64.
        ValueError: C, a name or a type is not as said above.
    """
    _check_request(arrays, names, clipping_norm)
    norm = joint_norm(arrays, names)
    if norm <= clipping_norm:
        return dict(arrays), norm
    factor = clipping_norm / norm
    shorter = {name: np.multiply(arrays[name], factor, dtype=np.float64).astype(arrays[name].dtype) for name in names}
    return arrays | shorter, norm


def add_gaussian_noise(
    arrays: Arrays,
    names: Collection[str],
    noise_multiplier: float,
    clipping_norm: float,
    entropy: np.random.Generator,
    symmetric: Collection[str] = (),
) -> Arrays:
    """Add N(0, (noise_multiplier C)^2) to every entry of the named arrays: one Gaussian mechanism on one vector.

    w <- w + N(0, sigma^2)      [Wang et al., eq. 2, which bounds no norm and so guarantees nothing without our clip]

    A symmetric matrix G has d (d + 1) / 2 free entries. Its isometric vectorisation is the upper triangle with the
    off-diagonals times sqrt(2); the length of that vector is the Frobenius norm of G, which is what `clip_jointly`
    bounded, so its sensitivity is C like everybody's. Noise of variance sigma^2 on each of its entries is noise of
    variance sigma^2 on the diagonal of G and sigma^2 / 2 on each off-diagonal pair, alike above and below. Independent
    noise on all d^2 entries followed by (X + X') / 2 has just this distribution, and is done here: whatever is not
    symmetric in G is averaged away as well, instead of passing bare through symmetric noise.

    Args:
        arrays: Not changed. The named ones are dense: a missing row gets no noise and betrays itself.
        names: Float32 or float64 arrays, each once; jointly clipped to `clipping_norm` by `clip_jointly`.
        noise_multiplier: sigma / C, positive and finite.
        clipping_norm: C.
        entropy: `operating_system_generator()`; anything else voids every epsilon.
        symmetric: Those of `names` that are symmetric matrices. They stay so exactly.

    Returns:
        All arrays; those not named are the very ones that came.

    Raises:
        CheckFailed: a noisy entry is too large for its type.
        ValueError: an argument is not as said above.
    """
    _check_request(arrays, names, clipping_norm)
    if not 0 < noise_multiplier < np.inf:
        raise ValueError(f"the noise multiplier must be positive and finite, not {noise_multiplier}")
    if not set(symmetric) <= set(names):
        raise ValueError("a symmetric array is not among those that get noise")
    if joint_norm(arrays, names) > clipping_norm * (1 + _ROUNDING):
        raise ValueError("the arrays are longer than the clipping norm: clip them first, jointly")
    stddev = noise_multiplier * clipping_norm
    noisy = dict(arrays)
    for name in names:
        released = entropy.normal(0.0, stddev, arrays[name].shape)
        released += arrays[name]
        if name in symmetric:
            released = (released + released.T) / 2
        with np.errstate(over="ignore"):
            noisy[name] = released.astype(arrays[name].dtype)
        if not np.all(np.isfinite(noisy[name])):
            raise CheckFailed("The noise is too large for the update's numbers: lower the clipping norm or the noise.")
    return noisy


def nearest_psd(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the positive semidefinite matrix nearest to a symmetric one in Frobenius norm [Higham (1988), Thm 2.1].

    Noise makes a Gram matrix indefinite, and the server takes no such one. The client mends it after the noise; a
    function of the noisy matrix alone costs no privacy. As the noise-free matrix is positive semidefinite itself, the
    projection only moves nearer to it, and never away from zero.

    Args:
        matrix: Symmetric, finite. Shape (d, d).

    Returns:
        Exactly symmetric. Eigenvalues may fall below zero by rounding, some 1e-15 of the largest.
    """
    spectrum, basis = np.linalg.eigh(matrix)
    projected: NDArray[np.float64] = (basis * np.maximum(spectrum, 0.0)) @ basis.T
    return (projected + projected.T) / 2


def _check_request(arrays: Arrays, names: Collection[str], clipping_norm: float) -> None:
    if not 0 < clipping_norm < np.inf:
        raise ValueError(f"the clipping norm must be positive and finite, not {clipping_norm}")
    if len(set(names)) != len(names):
        raise ValueError("an array is named twice")
    for name in names:
        if name not in arrays or arrays[name].dtype not in (np.float32, np.float64):
            raise ValueError(f"the update has no array '{name}' of type float32 or float64")
