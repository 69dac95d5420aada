"""A simulated run on a real chain, with the coordinator's seconds a round by part.

python -m benchmarks.coordinator_process CLIENTS MODEL ROUNDS CHAIN
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

import server.run_recorder
import server.strategy
from benchmarks.exclusive_time import ExclusiveTimes
from common.config import Settings
from launch.commands.simulate import simulate
from launch.in_process_grid import InProcessGrid
from launch.run_options import RunOptions
from server.chain import ChainLedger
from server.run_folder import RunFolder
from server.strategy import ReputationFedAvg

CLIENTS = "clients"
"""What happens in the clients, who share the process here; it is left out."""


def main() -> None:
    clients, model, rounds, chain = sys.argv[1:]
    settings = Settings(clients=int(clients), model=model, rounds=int(rounds))
    times = ExclusiveTimes(time.perf_counter, "outside the rounds")
    times.wrap("committees, judgement, fusion, the rest", ReputationFedAvg, "_play_round")
    times.wrap(CLIENTS, InProcessGrid, "push_messages")
    times.wrap("verification of updates", server.strategy, "collect_updates")
    times.wrap("verification of scores", server.strategy, "collect_scores")
    times.wrap("ledger: open the round", ChainLedger, "open_round")
    times.wrap("ledger: commit", ChainLedger, "commit_updates")
    times.wrap("ledger: settle and read back", ChainLedger, "settle_round", "round_record")
    times.wrap("files: updates", server.run_recorder, "keep_updates")
    times.wrap("files: evidence, model, checkpoint", RunFolder, "put_evidence", "put_object", "save_checkpoint")
    times.wrap("files: report", RunFolder, "write_report")
    with tempfile.TemporaryDirectory() as folder:
        simulate(settings, RunOptions(Path(folder) / "run", chain, None, None, None), Console(stderr=True, quiet=True))
    seconds = times.stop()
    print(json.dumps({part: seconds[part] / settings.rounds for part in seconds if part not in _LEFT_OUT}))


_LEFT_OUT = (CLIENTS, "outside the rounds")

if __name__ == "__main__":
    main()
