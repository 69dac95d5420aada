"""Updates well formed whose arrays no honest client sends, each with a commitment and signatures in order."""

import numpy as np

from tests.server.hostile_acts import entry, filled, with_arrays
from tests.server.hostile_client import EVERYWHERE, GMF, IALS, NOISE, HostileClient, Verdict

_NAN, _INF = float("nan"), float("inf")

SHAPED = (
    HostileClient(
        does="sends an array of another shape",
        act=with_arrays(users=lambda users: np.ones((1, 1), np.uint32)),
        reason=r"^users has not the type and shape .*: uint32\[1, 1\] instead of uint32\[1\]$",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="sends an array of another type",
        act=with_arrays(users=lambda users: np.ones(1, np.float64)),
        reason=r"^users has not the type and shape .*: float64\[1\] instead of uint32\[1\]$",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="leaves an array out",
        act=with_arrays(users=lambda users: None),
        reason="^the update must hold exactly the arrays ",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="adds an array",
        act=with_arrays(backdoor=lambda nothing: np.ones(3, np.float32)),
        reason="^the update must hold exactly the arrays ",
        kinds=EVERYWHERE,
    ),
    HostileClient(
        does="says that it has no users",
        act=with_arrays(users=filled(0)),
        reason="^the update counts no users$",
    ),
)

SUMS = (
    HostileClient(
        does="names an item that is not in the catalogue",
        act=with_arrays(row_ids=entry(150, at=-1)),
        reason="^a row id lies outside the catalogue$",
        kinds=IALS,
    ),
    HostileClient(
        does="names an item twice",
        act=with_arrays(row_ids=lambda ids: np.concatenate((ids[:1], ids[:-1]))),
        reason="^the row ids are not strictly ascending$",
        kinds=IALS,
    ),
    HostileClient(
        does="counts more users of an item than it has",
        act=with_arrays(counts=entry(2**32 - 1)),
        reason="^a row's count is zero or greater than the number of users$",
        kinds=IALS,
    ),
    HostileClient(
        does="sends NaN",
        act=with_arrays(residual=entry(_NAN)),
        reason="^a residual row is not finite, or longer than",
        kinds=IALS,
    ),
    HostileClient(
        does="sends infinity",
        act=with_arrays(residual=entry(-_INF)),
        reason="^a residual row is not finite, or longer than",
        kinds=IALS,
    ),
    HostileClient(
        does="sends a GP with NaN",
        act=with_arrays(gram=entry(_NAN)),
        reason="^the gram matrix has an entry that is not finite$",
        kinds=IALS,
    ),
    HostileClient(
        does="sends a GP that is not symmetric",
        act=with_arrays(gram=lambda gram: gram + np.triu(np.full_like(gram, 1e-3 * gram[0, 0]), 1)),
        reason="^the gram matrix is not symmetric$",
        kinds=IALS,
    ),
    HostileClient(
        does="sends a GP that is not positive semidefinite",
        act=with_arrays(gram=lambda gram: -gram),
        reason="^the gram matrix is not positive semidefinite$",
        kinds=IALS,
    ),
    HostileClient(
        does="multiplies its sums by a thousand",
        act=with_arrays(residual=lambda rows: 1000 * rows),
        reason="^a residual row is not finite, or longer than",
        kinds=IALS,
    ),
    HostileClient(
        does="multiplies its GP by a million",
        act=with_arrays(gram=lambda gram: 1e6 * gram),
        reason="^an entry of the gram matrix is larger than the counts allow$",
        kinds=IALS,
    ),
)

GRADIENTS = (
    HostileClient(
        does="sends NaN in an item's gradient",
        act=with_arrays(item_factors=entry(_NAN)),
        reason="^an item's gradient is not finite, or longer than the exposures allow$",
        kinds=GMF,
    ),
    HostileClient(
        does="sends infinity in a bias",
        act=with_arrays(item_bias=entry(_INF)),
        reason="^an item's bias gradient is not finite$",
        kinds=GMF,
    ),
    HostileClient(
        does="multiplies its gradients by a million",
        act=with_arrays(item_factors=lambda rows: 1e6 * rows),
        reason="^an item's gradient is not finite, or longer than the exposures allow$",
        kinds=GMF,
    ),
    HostileClient(
        does="claims more exposure than it has users",
        act=with_arrays(exposure=entry(2**32 - 1)),
        reason="^an item's exposure is greater than the number of users$",
        kinds=GMF,
    ),
    HostileClient(
        does="pushes one item's bias",
        act=with_arrays(item_bias=entry(-3.0)),
        reason="^(an item's bias gradient is smaller or larger|the bias gradients do not add up)",
        kinds=GMF,
    ),
)

NOISY = (
    HostileClient(
        does="with noise: sends NaN",
        act=with_arrays(residual=entry(_NAN)),
        reason="^an entry of the update is not finite$",
        kinds=NOISE,
    ),
    HostileClient(
        does="with noise: does not clip",
        act=with_arrays(residual=lambda rows: 1000 * rows),
        reason="^the update is longer than its clipping norm and noise allow$",
        kinds=NOISE,
    ),
    HostileClient(
        does="with noise: counts its own users",
        act=with_arrays(users=filled(9999)),
        reason="^users is not the public value that stands for a client's own$",
        kinds=NOISE,
    ),
    HostileClient(
        does="with noise: sends a GP that is not positive semidefinite",
        act=with_arrays(gram=lambda gram: -gram - 1e-3 * np.eye(len(gram))),
        reason="^gram is not positive semidefinite$",
        kinds=NOISE,
    ),
)

WORTHLESS = (
    HostileClient(
        does="sends zeros",
        act=with_arrays(residual=filled(0.0), gram=filled(0.0)),
        reason="^the update is zero$",
        verdict=Verdict.GATED,
        kinds=IALS,
    ),
    HostileClient(
        does="sends negative zeros",
        act=with_arrays(residual=filled(-0.0), gram=filled(-0.0)),
        reason="^the update is zero$",
        verdict=Verdict.GATED,
        kinds=IALS,
    ),
    HostileClient(
        does="sends arrays of no rows",
        act=with_arrays(
            row_ids=lambda ids: ids[:0],
            counts=lambda counts: counts[:0],
            residual=lambda rows: rows[:0],
            gram=filled(0.0),
        ),
        reason="^the update is zero$",
        verdict=Verdict.GATED,
        kinds=IALS,
    ),
    HostileClient(
        does="sends the smallest numbers above zero",
        act=with_arrays(residual=filled(1e-45)),
        reason="^its rows are much shorter than its interactions would make them$",
        verdict=Verdict.GATED,
        kinds=IALS,
    ),
)

ARRAYS = (*SHAPED, *SUMS, *GRADIENTS, *NOISY, *WORTHLESS)
