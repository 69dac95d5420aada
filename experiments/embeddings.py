"""Figure 2 of T-FedRS: the learned item space by t-SNE, and where three users stand in it.

    tfedrs experiment embeddings
    TFEDRS_DATA=... tfedrs experiment embeddings --dataset ml-1m-ncf --factors 128 --rounds 8 --out runs/embeddings

The paper's figure shows the embedding space of the trained federation and the spaces of three randomly selected users,
to say that personalisation keeps to what was learned together. Here one federation is trained by `tfedrs simulate`'s
own code, and every panel is the same map of the items. The first is coloured by genre (by popularity where the data
set has no genres); the others show a user each: training items, the ten items recommended first, and the test item.

A t-SNE map invites to see groups that are not there. So the note beside it has figures from the full space: how often
the nearest neighbours of an item share a genre with it, and how near recommendations are to what a user has, each
beside the same for items drawn at random (popular ones more often, where recommendations are compared).
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.atomic_file import write_atomically
from common.config import Settings
from experiments.embedding_map import ItemSpace, trained_space
from experiments.embedding_picture import draw, item_map
from launch.run_options import data_root

PICTURE, NOTE = "embeddings.png", "embeddings.md"
USERS_SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, draw, and write the picture and its note."""
    options = _parser().parse_args(arguments)
    settings = replace(
        Settings(),
        dataset=options.dataset,
        model=options.model,
        clients=options.clients,
        rounds=options.rounds,
        factors=options.factors,
        seed=options.seed,
    )
    space = trained_space(settings, data_root(), options.least_interactions)
    users = space.draw_users(USERS_SHOWN)
    places = item_map(space, options.perplexity)
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomically(options.out / PICTURE, draw(space, places, users))
    write_atomically(options.out / NOTE, note(space, settings, users, options).encode())
    print(f"{options.out / PICTURE}\n{options.out / NOTE}")


def note(space: ItemSpace, settings: Settings, users: Sequence[int], options: argparse.Namespace) -> str:
    """Return the Markdown page: the picture, how it was made, and the same said in figures."""
    flags = f"--dataset {settings.dataset} --model {settings.model} --clients {settings.clients} "
    flags += f"--rounds {settings.rounds} --factors {settings.factors} --seed {settings.seed} "
    flags += f"--least-interactions {options.least_interactions} --perplexity {options.perplexity:g}"
    lines = [
        "# The item space and three users in it",
        f"![t-SNE map of the items, and three users on it]({PICTURE})",
        f"{len(space.shown)} of {len(space.vectors)} items, those with at least {options.least_interactions} training "
        f"interactions; t-SNE of their vectors by cosine distance, perplexity {options.perplexity:g}. Distances "
        "between far groups, and the groups' sizes, mean nothing in such a map. Users were drawn at random among "
        "those with a test item.",
        f"`tfedrs experiment embeddings {flags}`",
        "In the full space, not on the map. Beside it the same for random items: any of them for the genres, and for "
        "the recommendations popular ones more often, in proportion to their training interactions.",
    ]
    table = ["| what | measured | at random |", "| --- | --- | --- |"]
    if space.genres is not None:
        measured, chance = space.shared_genres()
        table.append(f"| the 10 nearest items share a genre with an item | {measured:.3f} | {chance:.3f} |")
    measured, chance = space.nearness_of_recommendations(np.arange(space.train.user_count))
    table.append(
        f"| cosine of a recommendation to the nearest item the user has, mean | {measured:.3f} | {chance:.3f} |"
    )
    for number, user in enumerate(users, start=1):
        measured, chance = space.nearness_of_recommendations(np.array([user]))
        table.append(
            f"| the same, user {number} ({len(space.train.items_of(user))} items) | {measured:.3f} | {chance:.3f} |"
        )
    return "\n\n".join([*lines, "\n".join(table)]) + "\n"


def _parser() -> argparse.ArgumentParser:
    base = Settings()
    parser = argparse.ArgumentParser(prog="tfedrs experiment embeddings", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default=base.dataset)
    parser.add_argument("--model", choices=("ials", "ncf"), default=base.model)
    parser.add_argument("--clients", type=int, default=base.clients)
    parser.add_argument("--rounds", type=int, default=base.rounds)
    parser.add_argument("--factors", type=int, default=base.factors)
    parser.add_argument("--seed", type=int, default=base.seed)
    parser.add_argument("--least-interactions", type=int, default=5, help="of an item to be shown (%(default)s)")
    parser.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/embeddings"), help="folder (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
