"""Seconds that it takes to verify a run, on one core.

    python -m benchmarks.verify --clients 10 --rounds 100

The run is simulated first, with a small model on the bundled data. The exact part does not depend on the model: its
cost is that of signatures and hashes. Starting the embedded chain again from its journal is measured by itself.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from rich.console import Console

from common.config import Settings
from launch.chain_choice import open_chain
from launch.commands.simulate import simulate
from launch.commands.verify import verify
from launch.run_options import RunOptions


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--chain", default="embedded", choices=["memory", "embedded"])
    options = parser.parse_args(arguments)
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # the chain's process too, which inherits it
    settings = Settings(clients=options.clients, rounds=options.rounds, factors=8, probe_pairs=50)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        simulate(settings, RunOptions(run, options.chain, None, None, None), Console(stderr=True, quiet=True))
        print("| part | seconds | of this process alone |\n|---|---|---|")
        if options.chain == "embedded":
            began, cpu = time.monotonic(), time.process_time()
            with open_chain("embedded", run / "chain"):
                _print("the chain starts again from its journal", began, cpu)
        for name, public_only in (("the exact part, chain included", True), ("with scores and models", False)):
            began, cpu = time.monotonic(), time.process_time()
            result = verify(run, "auto", public_only=public_only, on_round=_ignore)
            _print(f"{name}: {result['rounds']} rounds, {result['signatures']:,} signatures", began, cpu)


def _ignore(server_round: int) -> None:
    del server_round


def _print(name: str, began: float, cpu: float) -> None:
    print(f"| {name} | {time.monotonic() - began:.1f} | {time.process_time() - cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
