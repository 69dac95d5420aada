"""What compression saves and what it costs: bytes of an update beside NDCG, the same runs with each form.

    tfedrs experiment compression --seeds 1 2 3
    tfedrs experiment compression --dataset ml-1m-ncf --clients 100 --rounds 8 --seeds 1 --forms float16 int8

[Wang et al., communication compression; T-FedRS, compression ratio s_k]. Whole simulated federations, by reputation.
The difference to "none" is taken seed by seed, because seeds differ by far more than forms do.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean, stdev
from typing import Any

from common.config import MODELS, PARTITIONS, Settings
from experiments.whole_federation import federated
from launch.run_options import data_root

FORMS: dict[str, dict[str, Any]] = {
    "none": {"compression": "none"},
    "float16": {"compression": "float16"},
    "int8": {"compression": "int8"},
    "top-rows, 50 %": {"compression": "top-rows", "top_rows": 0.5},
    "top-rows, 25 %": {"compression": "top-rows", "top_rows": 0.25},
    "top-rows, 10 %": {"compression": "top-rows", "top_rows": 0.1},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one Markdown table: a row for each form, means over the seeds."""
    options = _parser().parse_args(arguments)
    base = Settings(
        dataset=options.dataset,
        model=options.model,
        clients=options.clients,
        rounds=options.rounds,
        factors=options.factors,
        partition=options.partition,
    )
    print(
        f"{base.dataset}, {base.model}, {base.factors} factors, {base.clients} clients, {base.rounds} rounds, ", end=""
    )
    print(f"partition {base.partition}, seeds {' '.join(map(str, options.seeds))}, test items\n")
    print("| compression | kB a client and round | of none | NDCG@10 | less than none | HR@10 |")
    print("|---|---|---|---|---|---|")
    plain: list[dict[str, float]] = []
    for label in (form for form in FORMS if form == "none" or form in options.forms):
        figures = [_figures(replace(base, seed=seed, **FORMS[label])) for seed in options.seeds]
        plain = plain or figures
        bytes_up = mean(one["bytes"] for one in figures)
        lost = [before["ndcg_at_10"] - one["ndcg_at_10"] for before, one in zip(plain, figures, strict=True)]
        spread = f" ± {stdev(lost):.4f}" if len(lost) > 1 else ""
        print(
            f"| {label} | {bytes_up / 1000:.1f} | {bytes_up / mean(one['bytes'] for one in plain):.1%} "
            f"| {mean(one['ndcg_at_10'] for one in figures):.4f} | {mean(lost):.4f}{spread} "
            f"| {mean(one['hit_ratio_at_10'] for one in figures):.4f} |",
            flush=True,
        )


def _figures(settings: Settings) -> dict[str, float]:
    report = federated(settings, data_root())
    last = report["rounds"][-1]
    return {
        "bytes": last["bytes_up"] / last["participants"],
        "ndcg_at_10": report["final"]["ndcg_at_10"],
        "hit_ratio_at_10": report["final"]["hit_ratio_at_10"],
    }


def _parser() -> argparse.ArgumentParser:
    base = Settings()
    parser = argparse.ArgumentParser(prog="tfedrs experiment compression", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", default=base.dataset)
    parser.add_argument("--model", choices=[model for model in MODELS if model != "mf"], default=base.model)
    parser.add_argument("--clients", type=int, default=base.clients)
    parser.add_argument("--rounds", type=int, default=base.rounds)
    parser.add_argument("--factors", type=int, default=base.factors)
    parser.add_argument("--partition", choices=PARTITIONS, default=base.partition)
    parser.add_argument(
        "--forms", nargs="+", choices=list(FORMS), default=list(FORMS), metavar="FORM", help="besides none"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser


if __name__ == "__main__":
    main()
