"""What a deployed round costs beside a Flower app that does nothing, on the same federation.

    python -m benchmarks.round_overhead --rounds 10

One SuperLink and the SuperNodes of real clients, TLS and node authentication, on this machine. Blocks of rounds of the
two apps alternate, so that drift and other work on the machine hit both alike. The empty app sends the same messages
through the same loop over replies (server/exchange.py), once with nothing in them and once with as many bytes.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.process_meter import ProcessMeter
from benchmarks.round_blocks import EMPTY, FLOWERS_LOOP, OURS, SAME_BYTES, Blocks
from benchmarks.round_parts import client_parts, coordinator_parts
from benchmarks.round_tables import summary, tables
from common.config import Settings
from launch.local_federation import LocalFederation
from launch.prepared_run import prepared_run
from launch.run_options import RunOptions
from launch.workspace import PROJECT_ROOT, git_commit

_KINDS = (EMPTY, OURS, SAME_BYTES)
AIM = 1.25
MOST_CLIENT_BYTES = 400_000_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.round_overhead")
    parser.add_argument("--rounds", type=int, default=10, help="of each app")
    parser.add_argument("--block", type=int, default=2, help="rounds of one app before the other's turn")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--model", default="ials")
    parser.add_argument("--chain", default="auto")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args(arguments)
    settings = Settings(clients=options.clients, model=options.model, rounds=4 * options.rounds + 16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tfedrs-overhead-"))) / "run"
        meter = stack.enter_context(ProcessMeter())
        ready = stack.enter_context(prepared_run(settings, RunOptions(folder, options.chain, None, None, None)))
        federation = stack.enter_context(LocalFederation(PROJECT_ROOT, ready.folder, ready.client_dirs))
        blocks = Blocks(ready, federation, meter, settings)
        for kind in (OURS, EMPTY):  # unpack the apps and compile them
            blocks.play(kind, 1)
        rounds = []
        left = options.rounds
        order = list(_KINDS)
        while left > 0:
            for kind in order:
                rounds += blocks.play(kind, min(options.block, left))
                _say(rounds[-1].kind, [played.seconds for played in rounds[-min(options.block, left) :]])
            left -= options.block
            order.reverse()  # A B, B A, ...: a drift over time favours neither
        rounds += blocks.play(FLOWERS_LOOP, min(3, options.rounds))
        clients = client_parts(ready.client_dirs[0], blocks.last_run)
    coordinator = coordinator_parts(Settings(clients=options.clients, model=options.model, rounds=5), options.chain)
    figures = {
        "settings": settings.to_run_config(),
        "machine": _machine(),
        "aim": {"ratio": AIM, "client_bytes": MOST_CLIENT_BYTES},
        "summary": summary(rounds),
        "client_parts": clients,
        "coordinator_parts": coordinator,
        "rounds": [asdict(played) for played in rounds],
    }
    print(tables(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": git_commit(),
        "load": round(os.getloadavg()[1], 1),
    }


def _say(kind: str, seconds: list[float]) -> None:
    print(f"{kind}: {', '.join(f'{value:.1f}' for value in seconds)} s", flush=True)


if __name__ == "__main__":
    main()
