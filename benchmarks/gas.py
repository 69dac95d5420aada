"""Gas of a round, and of opening and claiming, for several numbers of clients.

    python -m benchmarks.gas --clients 10 100

Real contracts on a development chain (Anvil where it is found, else the embedded EVM); the rounds are simulated on the
bundled data.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from common.config import Settings
from launch.commands.claim import claim
from launch.commands.simulate import simulate
from launch.run_options import RunOptions


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gas")
    parser.add_argument("--clients", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--chain", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    print("| clients | chain | gas of each round (open + commit + settle) | gas of a first claim |\n|---|---|---|---|")
    for clients in options.clients:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            settings = Settings(clients=clients, rounds=options.rounds, factors=8, probe_pairs=50)
            simulate(settings, RunOptions(run, options.chain, None, None, None), Console(stderr=True, quiet=True))
            report = json.loads((run / "report.json").read_bytes())
            gas = ", ".join(f"{row['gas']:,}" for row in report["rounds"])
            participant = sorted((run / "participants").iterdir())[0]
            claimed = claim(run, participant, "auto", run / "coordinator")
            print(f"| {clients} | {report['ledger']['kind']} | {gas} | {claimed['gas']:,} |")


if __name__ == "__main__":
    main()
