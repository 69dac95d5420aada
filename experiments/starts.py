"""What a run gains by where it starts: from public data, from iALS, from GMF and MLP, by arrays alone.

    tfedrs experiment starts                          the first model pre-trained on the volunteers' public histories
    tfedrs experiment starts --of neumf --rounds 10 20

Each number is a validation figure, mean over the seeds, of the model after so many rounds, everybody taking part.
Training is without the pairs that peers score by, as in a federation. Test items are not looked at.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.config import Settings
from common.data.load import load_dataset
from common.data.probe import ProbeShard, draw_probe_pool
from common.data.splits import Split, leave_one_out
from common.data.user_items import UserItems
from common.evaluation import evaluate
from common.models import Arrays, Model, model_of
from common.models.cohort import Cohort, cohort_step
from common.rating_metrics import rating_errors
from launch.run_options import data_root
from server.initial_model import initial_model

NCF = Settings(model="ncf", variant="neumf", warm_start_rounds=0)
PRETRAINED = {
    "ials": Settings(),
    "ncf, gmf alone": replace(NCF, variant="gmf"),
    "ncf, fused": Settings(model="ncf"),
    "ncf, gmf after two rounds of iALS": replace(NCF, variant="gmf", warm_start_rounds=2),
    "mf": Settings(model="mf"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table: a row for each start, a column for each number of rounds."""
    options = _parser().parse_args(arguments)
    dataset = load_dataset(options.dataset, options.data_root)
    drawn = {seed: _drawn(leave_one_out(dataset, seed), seed) for seed in options.seeds}
    figures = "validation NDCG@10; of mf RMSE" if options.of == "public" else "validation NDCG@10"
    print(f"{options.dataset}, {figures}, seeds {' '.join(map(str, options.seeds))}\n")
    print("| start | " + " | ".join(f"{count} rounds" for count in options.rounds) + " | CPU s a round |")
    print("|---|" + "---|" * (len(options.rounds) + 1))
    for label, settings in starts(options.of).items():
        began = time.process_time()
        found = [list(figures_of(replace(settings, seed=seed), *drawn[seed], options.rounds)) for seed in options.seeds]
        seconds = (time.process_time() - began) / len(found) / max(options.rounds)
        means = " | ".join(f"{mean:.4f}" for mean in np.mean(found, axis=0))
        print(f"| {label} | {means} | {seconds:.2f} |", flush=True)


def starts(of: str) -> Mapping[str, Settings]:
    """Return the starts that are compared, by their names."""
    if of == "public":
        return {
            f"{label}, {rounds or 'no'} public rounds": replace(settings, pretraining_rounds=rounds)
            for label, settings in PRETRAINED.items()
            for rounds in (0, 1, 2, 5)
        }
    return {
        "from scratch": NCF,
        "2 rounds of iALS": replace(NCF, warm_start_rounds=2),
        "5 rounds of GMF and MLP": replace(NCF, warm_start="gmf-mlp", warm_start_rounds=5),
    }


def _drawn(split: Split, seed: int) -> tuple[Split, tuple[ProbeShard, ...], UserItems]:
    """Draw the probe pool of five clients; return it with the split and what is trained on."""
    defaults = Settings()
    pool, train = draw_probe_pool(
        split.train, defaults.clients - 1, defaults.probe_pairs, defaults.volunteer_share, seed
    )
    return split, pool, train


def figures_of(
    settings: Settings, split: Split, pool: Sequence[ProbeShard], train: UserItems, rounds: Sequence[int]
) -> Iterator[float]:
    """Yield the validation figure of the model after each of these numbers of rounds, ascending.

    Args:
        settings: Of the model and its start.
        split: Of all users.
        pool: What is public.
        train: `split.train` without the pairs that peers score by; one client has all of it.
        rounds: From 0.
    """
    model, state = model_of(settings), initial_model(settings, train.item_count, pool)
    everybody = Cohort.of([train], np.ones(1))
    for count in range(max(rounds) + 1):
        if count in rounds:
            yield _on_validation(model, state, split, train)
        state = model.apply(state, cohort_step(model, state, everybody))


def _on_validation(model: Model, state: Arrays, split: Split, train: UserItems) -> float:
    vectors = model.fold_in(state, train)
    if model.rating_range is not None:
        return float(np.sqrt(rating_errors(model, state, vectors, split.validation, split.validation_ratings)["mse"]))
    return evaluate(model, state, vectors, split.train, split.validation, split.candidates).metrics["ndcg_at_10"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tfedrs experiment starts", description=__doc__)
    parser.add_argument("--of", choices=("public", "neumf"), default="public", help="(%(default)s)")
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--data-root", type=Path, default=data_root(), help="(%(default)s)")
    parser.add_argument("--rounds", type=int, nargs="+", default=[0, 1, 2, 5], help="ascending (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser


if __name__ == "__main__":
    main()
