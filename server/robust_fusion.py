"""Fusion by rules that some hostile updates cannot steer, whatever is in them. Reputations do not enter here.

Clients count alike, by what they send per user, so that nobody gains by claiming a size: sums, as iALS sends, are
divided by the sender's users; means are compared as they are. A row that a client does not send counts as zeros. That
is exact for sums, which are over nobody then; for means it says that the client asks for no change. So an item that
fewer clients have than a rule withstands attackers is not decided by them, and does not learn either; that is the price
of these rules, highest for rare items.

Flower's own code stands wherever it takes arrays: `trim_mean` [Yin, Chen, Ramchandran, Bartlett (2018),
"Byzantine-robust distributed learning", Algorithm 1, option II] and `select_multikrum` [Blanchard et al. (2017),
"Machine learning with adversaries", Sections 4 and 5]. Its median (Yin et al., option I) is no function: it is written
into `FedMedian.aggregate_train`, which wants messages whose arrays all have one shape, and clients here send different
rows. Clipping to the median norm is not there: Flower's clips to a bound given beforehand, on its way to adding noise.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from flwr.serverapp.strategy.fedtrimmedavg import trim_mean
from flwr.serverapp.strategy.multikrum import select_multikrum
from numpy.typing import NDArray

from common.models import Arrays, Model
from common.models.side_by_side import SideBySide, part_of

TOLERATED_SHARE = 0.4
"""Of the clients: how many hostile ones the trimmed mean, Krum and Multi-Krum are set to withstand. Nobody who defends
knows the true share, so they are set to the highest that the project measures; the median needs no such number."""

Stacked = Mapping[str, NDArray[np.float64]]
"""What clients sent, array by array, in one form: shape (clients, ...)."""

Rule = Callable[[Stacked, Sequence[str]], Arrays]
"""From what clients sent, and the names of the arrays whose length and distance count, to one update of shape (...)."""


def robust_fusion(model: Model, updates: Sequence[Arrays], aggregation: str) -> Arrays:
    """Return the fused update: K times the typical update of K clients, in the form that `model.apply` takes.

    Args:
        model: Of the round's phase, see `Model.at`.
        updates: At least one.
        aggregation: One of `ROBUST_RULES`.

    Guarantees:
        The order of the updates changes nothing but rounding, and which of two equally good ones Krum takes.
        Where all updates are the same, the fused one is K times that one.
        Fewer than half (median) or than `TOLERATED_SHARE` (trimmed mean) of the updates, whatever is in them, leave
        each number per user within the range of the others'.
    """
    typical = typical_update(model, updates, ROBUST_RULES[aggregation])
    return model.fuse([typical], [float(len(updates))])


def typical_update(model: Model, updates: Sequence[Arrays], rule: Rule) -> Arrays:
    """Return one update that stands for all: of as many users as the median client has, where updates are sums."""
    stacked: dict[str, NDArray[np.float64]] = {}
    row_ids: Arrays = {}
    compared: list[str] = []
    users: dict[str, NDArray[np.float64]] = {}
    for prefix, branch in _branches(model):
        parts = [part_of(update, prefix) for update in updates]
        if "row_ids" in parts[0]:
            row_ids[prefix] = np.unique(np.concatenate([part["row_ids"] for part in parts]))
        form = branch.noisy_form(1, 1.0)  # one vector for noise is one vector for lengths and distances
        compared += [prefix + name for name in form.noisy]
        if branch.sends_sums:
            users[prefix] = np.array([float(part["users"][0]) for part in parts])
        for name in sorted(set(parts[0]) - {"row_ids"}):
            follows_rows = prefix in row_ids and name in (*form.row_arrays, "counts")
            dense = _dense(parts, name, row_ids[prefix] if follows_rows else None)
            if prefix in users:
                dense /= np.maximum(users[prefix], 1.0).reshape(-1, *[1] * (dense.ndim - 1))
            stacked[prefix + name] = dense
    typical = rule(stacked, compared)
    for prefix, counted in users.items():  # back from one user to sums, which the models expect
        for name in typical:
            if name.startswith(prefix):
                typical[name] = typical[name] * max(float(np.median(counted)), 1.0)
    return typical | {f"{prefix}row_ids": rows for prefix, rows in row_ids.items()}


def coordinate_median(stacked: Stacked, compared: Sequence[str]) -> Arrays:
    """Return the median of each number; of an even count, the mean of the middle two."""
    del compared
    return {name: np.median(sent, axis=0) for name, sent in stacked.items()}


def trimmed_mean(stacked: Stacked, compared: Sequence[str]) -> Arrays:
    """Return the mean of each number without the highest and the lowest `TOLERATED_SHARE`, rounded down."""
    del compared
    return {name: trim_mean(sent, TOLERATED_SHARE) for name, sent in stacked.items()}


def norm_clipping(stacked: Stacked, compared: Sequence[str]) -> Arrays:
    """Return the mean of the updates, those longer than the median length shortened to it.

    Counts and exposures are averaged as they are: `Model.check_update` bounds them.
    """
    squares = sum(np.square(stacked[name]).reshape(len(stacked[name]), -1).sum(axis=1) for name in compared)
    lengths: NDArray[np.float64] = np.sqrt(squares)
    kept = np.minimum(1.0, np.median(lengths) / np.maximum(lengths, np.finfo(np.float64).tiny))
    clients = len(lengths)
    return {
        name: np.tensordot(kept if name in compared else np.ones(clients), sent, 1) / clients
        for name, sent in stacked.items()
    }


def krum(stacked: Stacked, compared: Sequence[str]) -> Arrays:
    """Return the update that is nearest to its nearest others."""
    (chosen,) = _nearest(stacked, compared, 1)
    return {name: sent[chosen] for name, sent in stacked.items()}


def multi_krum(stacked: Stacked, compared: Sequence[str]) -> Arrays:
    """Return the mean of the n - f updates that are nearest to their nearest others, f: `withstood_by_krum`."""
    clients = len(stacked[compared[0]])
    chosen = _nearest(stacked, compared, clients - withstood_by_krum(clients))
    return {name: sent[chosen].mean(axis=0) for name, sent in stacked.items()}


ROBUST_RULES: dict[str, Rule] = {
    "median": coordinate_median,
    "trimmed-mean": trimmed_mean,
    "norm-clipping": norm_clipping,
    "krum": krum,
    "multi-krum": multi_krum,
}
"""By their names as `--aggregation`."""


def withstood_by_krum(clients: int) -> int:
    """Return f: `TOLERATED_SHARE` of the clients, but n >= 2 f + 3 must hold [Blanchard et al., Proposition 4.2].

    Otherwise a client has fewer neighbours to be near to than there are attackers, who can be near to each other.
    """
    return max(0, min(int(TOLERATED_SHARE * clients), (clients - 3) // 2))


def _nearest(stacked: Stacked, compared: Sequence[str], wanted: int) -> list[int]:
    """Return who Multi-Krum selects, ascending.

    Flower's function knows records and returns some of those it was given. The arrays go in as float64: it computes
    |x|^2 + |y|^2 - 2 x.y, of which nothing would be left in float32 where updates are long and close.
    """
    clients = len(stacked[compared[0]])
    contents = [
        RecordDict({"arrays": ArrayRecord({name: Array(np.ascontiguousarray(stacked[name][k])) for name in compared})})
        for k in range(clients)
    ]
    selected = select_multikrum(contents, withstood_by_krum(clients), wanted)
    return [k for k, content in enumerate(contents) if any(content is one for one in selected)]


def _branches(model: Model) -> Iterator[tuple[str, Model]]:
    """Yield the models that an update has parts of, each with the prefix of its arrays' names."""
    if isinstance(model, SideBySide):
        for branch in model.branches:
            yield branch.prefix, branch.model
    else:
        yield "", model


def _dense(parts: Sequence[Arrays], name: str, row_ids: NDArray[np.integer] | None) -> NDArray[np.float64]:
    """Return all clients' arrays of one name, shape (clients, ...), rows spread over `row_ids` with zeros between."""
    shape = parts[0][name].shape
    if row_ids is None:
        return np.stack([part[name] for part in parts]).astype(np.float64)
    dense = np.zeros((len(parts), len(row_ids), *shape[1:]))
    for sent, part in zip(dense, parts, strict=True):
        sent[np.searchsorted(row_ids, part["row_ids"])] = part[name]
    return dense
