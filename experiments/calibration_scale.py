"""How wide the calibration of reputations must be: honest clients only, three ways to choose its scale D.

    tfedrs experiment calibration-scale --seeds 1 2 3

R = clamp(1 - (hi - M) / D, 0, 1) with hi the median of the scores M. Compared, on validation:
  learning   D = the largest median gain so far, at least 0.05 (`server.reputation.learning_scale`)
  spread     D = max(3 MAD of this round's scores, 0.002), the first proposal
  narrow     D = 0.02
All clients are honest, so whatever a rule takes from one of them is a loss. docs/decisions/0003-calibration.md
quotes what this prints.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from statistics import mean
from unittest.mock import patch

from common.config import Settings
from experiments.whole_federation import federated
from server import reputation

Scale = Callable[[Iterable[int], int], int]


def spread(consolidated_wad: Iterable[int], _before_wad: int) -> int:
    """Three times the median absolute deviation, at least 0.002."""
    scores = list(consolidated_wad)
    high = reputation.median_wad(scores)
    return max(3 * reputation.median_wad([abs(score - high) for score in scores]), reputation.WAD // 500)


def narrow(_consolidated_wad: Iterable[int], _before_wad: int) -> int:
    """Always 0.02."""
    return reputation.WAD // 50


RULES: dict[str, Scale] = {"learning": reputation.learning_scale, "spread": spread, "narrow": narrow}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each rule: means over the seeds after the last round."""
    parser = argparse.ArgumentParser(prog="tfedrs experiment calibration-scale")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=5)
    options = parser.parse_args(arguments)
    print("| scale | validation NDCG@10 | mean R | least R | clients with weight 0 |\n|---|---|---|---|---|")
    for name, scale in RULES.items():
        accuracy, calibrated, least, starved = [], [], [], 0
        for seed in options.seeds:
            settings = Settings(seed=seed, rounds=options.rounds, clients=options.clients)
            with patch("server.reputation.learning_scale", scale):
                report = federated(settings, None)
            accuracy.append(report["final_validation"]["ndcg_at_10"])
            for row in report["rounds"]:
                calibrated.append(mean(row["calibrated"].values()))
                least.append(min(row["calibrated"].values()))
                starved += sum(weight == 0 for weight in row["weight"].values())
        shown = f"{mean(accuracy):.4f} | {mean(calibrated):.3f} | {min(least):.3f} | {starved}"
        print(f"| {name} | {shown} of {options.clients * options.rounds * len(options.seeds)} |")


if __name__ == "__main__":
    main()
