"""Accuracy against the share of clients that a round asks, and against how uneven their data are.

    tfedrs experiment participation
    tfedrs experiment participation --clients 10 --shares 0.2 1.0 --partitions even taste --seeds 1

Wang et al. (section 4.2) report, without figures, that low participation and uneven data make training less stable and
recommendations fluctuate. Here every share is trained on every partition by the whole federation (messages, scores,
reputation, ledger in memory). Each round's model is measured on all users of all clients, not only on those that the
next round asks, so that the spread is the model's and not the sample's: test NDCG@10 of the last model and of the
model that was best on validation, and the standard deviation of the round-to-round change over the second half of the
rounds.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from rich.console import Console

from common.config import PARTITIONS, Settings
from common.models import model_of
from common.update import decode_model
from experiments.baselines.array_rounds import measure
from launch.commands.simulate import simulate
from launch.preparation import PreparedData, prepare_data
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions, data_root
from server.run_folder import RunFolder


@dataclass(frozen=True)
class Course:
    """NDCG@10 of the models of one run.

    Attributes:
        validation, test: After each round, over all users.
        share_of_rounds: For each client, the share of the rounds in which its update arrived.
    """

    validation: tuple[float, ...]
    test: tuple[float, ...]
    share_of_rounds: tuple[float, ...]

    @property
    def swing(self) -> float:
        """Standard deviation of the change from a round to the next, over the second half of the rounds."""
        late = np.asarray(self.test[len(self.test) // 2 - 1 :])
        return float(np.std(np.diff(late)))

    @property
    def chosen(self) -> float:
        """Test NDCG@10 of the model that was best on validation."""
        return self.test[int(np.argmax(self.validation))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table: a row for each partition and share, mean and standard deviation over the seeds."""
    options = _parser().parse_args(arguments)
    base = Settings(
        dataset=options.dataset,
        model=options.model,
        clients=options.clients,
        rounds=options.rounds,
        unsafe_single_user=True,  # the partition by amount may leave a client one; nothing leaves this process
    )
    print(f"{base.dataset}, {base.model}, {base.clients} clients, {base.rounds} rounds, seeds ", end="")
    print(f"{' '.join(map(str, options.seeds))}, test items of all users after every round\n")
    print("| partition | asked | NDCG@10, last model | best on validation | change a round (sd) | rounds of a client |")
    print("|---|---|---|---|---|---|")
    for partition in options.partitions:
        for share in options.shares:
            settings = replace(base, partition=partition, participation=share)
            courses = [course_of(replace(settings, seed=seed)) for seed in options.seeds]
            shares = [one for course in courses for one in course.share_of_rounds]
            print(
                f"| {partition} | {share:.0%} | {_cell([course.test[-1] for course in courses])} "
                f"| {mean(course.chosen for course in courses):.4f} "
                f"| {mean(course.swing for course in courses):.4f} "
                f"| {min(shares):.0%} to {max(shares):.0%} |",
                flush=True,
            )


def course_of(settings: Settings) -> Course:
    """Train one federation and measure each of its models on all users."""
    data = prepare_data(settings, data_root())
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            out=Path(folder) / "run", chain=MEMORY, account_dir=None, deployment=None, data_root=data_root()
        )
        report = simulate(settings, options, Console(stderr=True, quiet=True))
        run = RunFolder(Path(report["folder"]))
        measured = [figures_of(settings, data, run.get_object(row["model"])) for row in report["rounds"]]
    rounds = len(report["rounds"])
    taken = [sum(account in row["took_part"] for row in report["rounds"]) for account in report["accounts"]]
    return Course(
        tuple(validation for validation, _ in measured),
        tuple(test for _, test in measured),
        tuple(count / rounds for count in taken),
    )


def figures_of(settings: Settings, data: PreparedData, model_bytes: bytes) -> tuple[float, float]:
    """Return a model's NDCG@10 on the validation items and on the test items of all users."""
    state = decode_model(model_bytes).arrays
    model = model_of(settings).at(state)
    measured = measure(model, state, model.fold_in(state, data.train), data.split)
    return measured.validation.metrics["ndcg_at_10"], measured.test.metrics["ndcg_at_10"]


def _cell(values: Sequence[float]) -> str:
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfedrs experiment participation", description=(__doc__ or "").splitlines()[0]
    )
    base = Settings()
    parser.add_argument("--dataset", default=base.dataset)
    parser.add_argument("--model", choices=("ials", "ncf"), default=base.model)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.25, 0.5, 1.0], help="of the clients")
    parser.add_argument("--partitions", nargs="+", choices=PARTITIONS, default=["even", "amount", "taste"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser


if __name__ == "__main__":
    main()
