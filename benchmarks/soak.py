"""A federation that runs for many rounds must not grow, beyond what is written down for a round.

    python -m benchmarks.soak --rounds 30

After every settled round it looks at memory, open files and threads of every process that stays, and at the bytes of
every part of the run folder. It fails, naming the figure, where the gain per round after a warm-up is more than
`benchmarks/soak_allowances.py` allows. The model is small, so that a round costs little but the starts of its
processes, which is where Flower and we open and close things.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.footprint import folder_footprint, processes_footprint
from benchmarks.growth import Growth, growths
from benchmarks.soak_allowances import allowances
from common.config import Settings
from launch.local_federation import LocalFederation
from launch.prepared_run import prepared_run
from launch.run_options import RunOptions
from launch.workspace import PROJECT_ROOT
from server.app import CHAIN_URL, COORDINATOR_DIR, RUN_DIR

_LONGEST_ROUND_SECONDS = 600.0
_LEAST_ROUNDS = 12


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--rounds", type=int, default=30, help=f"at least {_LEAST_ROUNDS}")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--chain", default="auto")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    options = parser.parse_args(arguments)
    if options.rounds < _LEAST_ROUNDS:
        parser.error(f"--rounds must be at least {_LEAST_ROUNDS}: fewer show no slope")
    # uncompressed, an update that is kept stands out from what caches take
    settings = Settings(clients=options.clients, rounds=options.rounds, factors=4, probe_pairs=10, compression="none")
    began = time.monotonic()
    samples, objects = soak(settings, options.chain, options.json)
    found = growths(samples, allowances(settings, objects), warm_up=options.rounds // 3)
    print(f"{options.rounds} rounds of {options.clients} clients in {time.monotonic() - began:.0f} s")
    print("| figure | after the warm-up | at the end | gain a round | allowed | why |\n|---|---|---|---|---|---|")
    for growth in found:
        print(_row(growth))
    for growth in found:
        if growth.too_fast:
            print(
                f"{growth.name} grows by {growth.per_round:.1f} a round, more than the {growth.allowance.per_round:g} "
                "that benchmarks/soak_allowances.py gives it: find what is kept, or explain it there.",
                file=sys.stderr,
            )
    return int(any(growth.too_fast for growth in found))


def soak(settings: Settings, chain: str, written_to: Path | None) -> tuple[list[dict[str, float]], dict[str, int]]:
    """Run a federation; return a sample for each settled round, and the bytes of one model and of one update."""
    samples: list[dict[str, float]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfedrs-soak-"))) / "run"
        ready = stack.enter_context(prepared_run(settings, RunOptions(folder, chain, None, None, None)))
        federation = stack.enter_context(LocalFederation(PROJECT_ROOT, ready.folder, ready.client_dirs))
        run_id = federation.submit(
            settings.to_run_config()
            | {
                COORDINATOR_DIR: str(ready.federation.folder),
                RUN_DIR: str(ready.folder),
                CHAIN_URL: ready.chain_url,
            }
        )

        def look() -> None:
            settled = len(list((folder / "evidence").glob("round-*.json")))
            if len(samples) < settled < settings.rounds:  # after the last one the ServerApp is about to end
                samples.append(processes_footprint() | folder_footprint(folder))
                if written_to is not None:
                    written_to.write_text(json.dumps(samples, indent=1))
                print(f"round {settled} of {settings.rounds}", file=sys.stderr, flush=True)

        federation.wait(run_id, look, _LONGEST_ROUND_SECONDS * (settings.rounds + 1))
        report = json.loads((folder / "report.json").read_bytes())
        model = (folder / "objects" / report["rounds"][-1]["model"]).stat().st_size
    return samples, {"model": model, "update": report["rounds"][-1]["bytes_up"] // settings.clients}


def _row(growth: Growth) -> str:
    mark = " **too fast**" if growth.too_fast else ""
    return (
        f"| {growth.name} | {growth.first:,.0f} | {growth.last:,.0f} | {growth.per_round:,.1f}{mark} "
        f"| {growth.allowance.per_round:,.0f} | {growth.allowance.why} |"
    )


if __name__ == "__main__":
    sys.exit(main())
