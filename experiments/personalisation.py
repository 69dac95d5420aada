"""What each client gains by personalising the global model: nothing, fine-tuning, adapters, the gate, all of them.

    tfedrs experiment personalisation
    tfedrs experiment personalisation --model ncf --variant gmf --clients 5 --partitions taste --seeds 1

One federation (messages, scores, reputation, ledger in memory) is trained for each partition, number of clients and
seed. Since personalisation leaves its updates as they are, the last model serves for all kinds: every client makes of
it what `--personalisation` would, by the client's own code, and all users' held-out items are ranked as they would see
them. Differences are to the global model, of the same seed. Alpha is what the gate learnt on training items: 1 is the
global predictor alone.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console

from client.personalisation import personalise
from client.training import local_metrics, personal_metrics
from common.config import GATES, PARTITIONS, PERSONALISATIONS, VARIANTS, Settings
from common.data.client_parts import cut_client_part
from common.models import model_of
from common.update import decode_model
from launch.commands.simulate import simulate
from launch.preparation import PreparedData, prepare_data
from launch.prepared_run import MEMORY
from launch.run_options import RunOptions, data_root
from server.report import mean_metrics
from server.run_folder import RunFolder


@dataclass(frozen=True)
class Seen:
    """What the users of all clients see under one kind of personalisation.

    Attributes:
        figures: Means over all users, such as `test_ndcg_at_10`.
        alphas: Of the clients.
    """

    figures: dict[str, float]
    alphas: tuple[float, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a Markdown table: a row for each partition, number of clients and kind."""
    options = _parser().parse_args(arguments)
    base = Settings(
        dataset=options.dataset,
        model=options.model,
        variant=options.variant,
        rounds=options.rounds,
        personal_gate=options.personal_gate,
    )
    name = f"{base.model} ({base.variant})" if base.model == "ncf" else base.model
    print(f"{base.dataset}, {name}, {base.rounds} rounds, gate {base.personal_gate}, seeds ", end="")
    print(f"{' '.join(map(str, options.seeds))}, items of all users\n")
    print(
        "| partition | clients | personalisation | validation NDCG@10 | test NDCG@10 | difference | full NDCG@10 ",
        end="",
    )
    print(f"| alpha |\n|{'---|' * 8}", flush=True)
    for partition, clients in product(options.partitions, options.clients):
        settings = replace(base, partition=partition, clients=clients)
        courses = [dict(kinds(replace(settings, seed=seed))) for seed in options.seeds]
        for kind in PERSONALISATIONS:
            print(f"| {partition} | {clients} | {_row(kind, courses)} |", flush=True)


def kinds(settings: Settings) -> Iterator[tuple[str, Seen]]:
    """Train one federation, and yield each kind of personalisation with what the users see."""
    data = prepare_data(settings, data_root())
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(
            out=Path(folder) / "run", chain=MEMORY, account_dir=None, deployment=None, data_root=data_root()
        )
        report = simulate(settings, options, Console(stderr=True, quiet=True))
        last_model = RunFolder(Path(report["folder"])).get_object(report["rounds"][-1]["model"])
    for kind in PERSONALISATIONS:
        yield kind, seen(replace(settings, personalisation=kind), data, last_model)


def seen(settings: Settings, data: PreparedData, model_bytes: bytes) -> Seen:
    """Personalise a model at every client of a run, and measure it on all users."""
    state, model = decode_model(model_bytes).arrays, model_of(settings)
    reported, alphas = [], []
    for users in data.parts:
        part = cut_client_part(data.dataset, data.split, data.train, users)
        vectors = model.fold_in(state, part.train)
        figures = local_metrics(model, state, vectors, part)
        personal = personalise(settings, model, state, part.train, settings.rounds)
        if personal is not None:
            own = personal_metrics(settings, model, state, vectors, personal, part)
            figures |= {name.replace("_personal", ""): value for name, value in own.items()}
        reported.append(figures)
        alphas.append(1.0 if personal is None else personal.alpha)
    return Seen(mean_metrics(reported), tuple(alphas))


def _row(kind: str, courses: Sequence[dict[str, Seen]]) -> str:
    def figures(metric: str, of: str = kind) -> list[float]:
        return [course[of].figures[metric] for course in courses]

    test, before = figures("test_ndcg_at_10"), figures("test_ndcg_at_10", "none")
    differences = [own - other for own, other in zip(test, before, strict=True)]
    alpha = mean(one for course in courses for one in course[kind].alphas)
    cells = [_cell(figures("validation_ndcg_at_10")), _cell(test), _cell(differences, "+")]
    return " | ".join([kind, *cells, _cell(figures("test_full_ndcg_at_10")), f"{alpha:.2f}"])


def _cell(values: Sequence[float], sign: str = "") -> str:
    return f"{mean(values):{sign}.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tfedrs experiment personalisation", description=(__doc__ or "").splitlines()[0]
    )
    base = Settings()
    parser.add_argument("--dataset", default=base.dataset)
    parser.add_argument("--model", choices=("ials", "ncf"), default=base.model)
    parser.add_argument("--variant", choices=VARIANTS, default=base.variant)
    parser.add_argument("--clients", type=int, nargs="+", default=[5, 20])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--partitions", nargs="+", choices=PARTITIONS, default=["even", "taste"])
    parser.add_argument("--personal-gate", choices=GATES, default=base.personal_gate)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser


if __name__ == "__main__":
    main()
