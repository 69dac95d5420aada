"""What trust costs: processor time of a simulated round's parts, scoring and gates beside everything else.

    TFEDRS_DATA=... OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 python -m benchmarks.trust_cost --dataset ml-1m-ncf

Everything else is what a round without reputation would take: training, messages, fusion, settlement. Prints a table.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

import common.probe_scoring
import server.strategy
from benchmarks.exclusive_time import ExclusiveTimes
from client import scoring
from common.config import Settings
from experiments.whole_federation import federated
from launch.run_options import data_root

REST = "everything else"


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a run and print what its rounds cost, preparation and the last measurement left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="ml-latest-small-2016")
    parser.add_argument("--model", default="ials")
    parser.add_argument("--variant", default="gmf")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--probe-shards", type=int, default=0)
    options = vars(parser.parse_args(arguments))
    times = ExclusiveTimes(time.process_time, REST)
    times.wrap("peers: a shard measured", common.probe_scoring.MeasuredShard, "__init__")
    times.wrap("peers: gains", common.probe_scoring.MeasuredShard, "gain")
    times.wrap("peers: updates checked and applied", scoring.PeerWork, "apply_alone")
    times.wrap("peers: scores signed", scoring, "sign")
    times.wrap("audit", server.strategy, "audit")
    times.wrap("gates and row caps", server.strategy, "inspect_updates")
    times.wrap("exposure budgets", server.inspection, "hold_to_budget")
    times.wrap("before and after the rounds", server.strategy.ReputationFedAvg, "_final_metrics")
    times.within("before and after the rounds", _play, times, options)
    seconds = {part: spent / options["rounds"] for part, spent in times.stop().items()}
    seconds.pop("before and after the rounds")
    rest = seconds.pop(REST)
    print(f"{options}, CPU seconds a round")
    for part, spent in sorted(seconds.items()):
        print(f"  {part:36s} {spent:7.3f}  {spent / rest:6.1%} of everything else")
    print(f"  {'together':36s} {sum(seconds.values()):7.3f}  {sum(seconds.values()) / rest:6.1%}")
    print(f"  {REST:36s} {rest:7.3f}")


def _play(times: ExclusiveTimes, options: dict[str, Any]) -> None:
    times.wrap(REST, server.strategy.ReputationFedAvg, "_play_round")
    federated(Settings(**options), data_root())


if __name__ == "__main__":
    main()
