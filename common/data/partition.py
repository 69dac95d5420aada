"""Which client holds which users: four ways, every user in exactly one client and every client with a user."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.data.dataset import Dataset
from common.data.genres import genre_counts
from common.errors import WrongUse
from common.seeding import generator

Parts = tuple[NDArray[np.int32], ...]


@dataclass(frozen=True)
class ClientSummary:
    """What one client got. The top genre is the one with the most interactions, None without genres."""

    client: int
    users: int
    interactions: int
    distinct_items: int
    mean_ratings_per_user: float
    top_genre: str | None


def partition_users(dataset: Dataset, clients: int, scheme: str, seed: int, alpha: float = 0.5) -> Parts:
    """Spread the users over the clients.

    Args:
        dataset: Its users, and for "taste" its genres.
        clients: At least 2, at most the users; for "single-user" exactly the users.
        scheme: "even": parts of equal size (or one apart), at random.
            "amount": sizes from a Dirichlet distribution, users at random.
            "taste": users ordered by the genre they met most, then cut into parts of equal size.
            "single-user": one user a client.
        seed: The same seed gives the same parts.
        alpha: For "amount", the concentration, above 0; smaller is more uneven.

    Returns:
        The users of each client, int32, ascending.

    Raises:
        WrongUse: an argument is out of its range, or "taste" is asked of a data set without genres.
    """
    users = dataset.interactions.user_count
    if clients < 2:
        raise WrongUse(f"a federation needs at least 2 clients, not {clients}: raise --clients.")
    if clients > users:
        raise WrongUse(f"{dataset.name} has {users} users, too few for {clients} clients: lower --clients.")
    rng = generator(seed, "partition")
    order = rng.permutation(users)
    match scheme:
        case "even":
            sizes = _even_sizes(users, clients)
        case "amount":
            sizes = _dirichlet_sizes(users, clients, alpha, rng)
        case "taste":
            # stable: users of one genre stay in random order
            order = order[np.argsort(_dominant_genres(dataset)[order], kind="stable")]
            sizes = _even_sizes(users, clients)
        case "single-user":
            if clients != users:
                raise WrongUse(f"{dataset.name} has {users} users: with one user a client, set --clients {users}.")
            order, sizes = np.arange(users), _even_sizes(users, clients)
        case _:
            raise WrongUse(f"there is no partition {scheme!r}: choose even, amount, taste or single-user.")
    return tuple(np.sort(part).astype(np.int32) for part in np.split(order, np.cumsum(sizes)[:-1]))


def summarise_partition(dataset: Dataset, parts: Parts) -> tuple[ClientSummary, ...]:
    """Say what each client got, in the order of the parts; clients count from 0."""
    names, counts = genre_counts(dataset)
    summaries = []
    for client, users in enumerate(parts):
        rows = dataset.interactions.take(users)
        genres = counts[users].sum(axis=0)
        summaries.append(
            ClientSummary(
                client=client,
                users=rows.user_count,
                interactions=rows.items.size,
                distinct_items=np.unique(rows.items).size,
                mean_ratings_per_user=rows.items.size / rows.user_count,
                top_genre=names[int(genres.argmax())] if genres.any() else None,
            )
        )
    return tuple(summaries)


def _even_sizes(users: int, clients: int) -> NDArray[np.int64]:
    sizes = np.full(clients, users // clients, dtype=np.int64)
    sizes[: users % clients] += 1
    return sizes


def _dirichlet_sizes(users: int, clients: int, alpha: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """One user for everybody, the rest by Dirichlet(alpha) shares, rounded by largest remainder."""
    if not (math.isfinite(alpha) and alpha > 0):
        raise WrongUse(f"the Dirichlet concentration is {alpha}: set --partition-alpha above 0.")
    wanted = rng.dirichlet(np.full(clients, alpha)) * (users - clients)
    sizes = np.floor(wanted).astype(np.int64)
    left_over = users - clients - int(sizes.sum())
    sizes[np.argsort(sizes - wanted, kind="stable")[:left_over]] += 1
    return sizes + 1


def _dominant_genres(dataset: Dataset) -> NDArray[np.int64]:
    """The genre each user met most, the first in the alphabet where several tie. Shape (users,)."""
    names, counts = genre_counts(dataset)
    if not names:
        raise WrongUse(f"{dataset.name} has no genres to tell tastes by: choose another --partition.")
    dominant: NDArray[np.int64] = counts.argmax(axis=1)
    return dominant
