"""`tfedrs verify`: recompute every round of a run from its evidence and the chain."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from client.store import PROBE_FILE
from common.data.probe import ProbeShard, load_probe_pool
from common.errors import WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import external_url, kept_chain, open_chain
from launch.prepared_run import MEMORY
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, Federation, load_federation
from server.ledger import Ledger
from server.replay.run import Verified, replay_run
from server.run_folder import RunFolder

_NO_WITNESS = "the chain was started by the run itself: whoever holds the run folder can write it anew"


def count_rounds(run: Path) -> int:
    """Return how many rounds a run folder has evidence of.

    Raises:
        WrongUse: none.
    """
    rounds = len(list((run / "evidence").glob("round-*.json")))
    if not rounds:
        raise WrongUse(f"There is no settled round in {run}; give the folder of a run.")
    return rounds


def verify(run: Path, chain: str, *, public_only: bool, on_round: Callable[[int], None]) -> dict[str, Any]:
    """Verify a run; nothing in its folder is changed.

    Args:
        run: The run folder.
        chain: "auto" starts the run's own chain again from a copy of its state; or a URL.
        public_only: Leave out what needs the updates, even where they are there.
        on_round: Called after each round with its number.

    Returns:
        What was checked, under the names of `server.replay.run.Verified`, and "ledger" and "independent_witness".

    Raises:
        WrongUse: the folder holds no run, or its chain must be named.
        Mismatch: the first thing that does not follow.
    """
    rounds = count_rounds(run)
    federation = load_federation(run / "coordinator")
    shards = {} if public_only else _probe_shards(run)
    with _ledger(run, federation, chain) as ledger:
        done = replay_run(
            RunFolder(run),
            federation,
            rounds,
            ledger,
            shards,
            restricted=not public_only,
            on_round=on_round,
        )
    return _result(done, federation, public_only=public_only)


def describe(result: dict[str, Any]) -> str:
    """Return the outcome in lines for people."""
    lines = [
        f"Verified {result['rounds']} rounds: {result['signatures']:,} signatures, committees, judgements, rewards and "
        f"roots; {result['on_ledger']} rounds agree with the ledger ({result['ledger']}).",
    ]
    if result["models"]:
        lines.append(
            f"Computed again: {result['updates']:,} updates checked, {result['scores']:,} scores (largest difference "
            f"{result['score_difference']:.1e}), {result['models']} models ({result['model_difference']:.1e})."
        )
    lines += [f"Not checked: {sentence}." for sentence in result["unchecked"]]
    return "\n".join(lines)


def _result(done: Verified, federation: Federation, *, public_only: bool) -> dict[str, Any]:
    unchecked = list(done.unchecked)
    if public_only:
        unchecked.append("scores, gates and models were not computed again: only the public part was asked for")
    if federation.chain_kind in ("anvil", "embedded"):
        unchecked.append(f"nobody independent has witnessed the record: {_NO_WITNESS}")
    return asdict(done) | {
        "verified": True,
        "ledger": federation.chain_kind,
        "independent_witness": federation.chain_kind == "external",
        "unchecked": unchecked,
    }


@contextmanager
def _ledger(run: Path, federation: Federation, chain: str) -> Iterator[Ledger | None]:
    if federation.chain_kind == MEMORY:
        yield None
        return
    deployment = Deployment.load(run / "coordinator" / DEPLOYMENT_FILE)
    if url := external_url(chain):
        yield ChainLedger(url, deployment)
        return
    kind = kept_chain(run / "chain")
    if kind is None:
        raise WrongUse(f"The chain of {run} was not started by that run; name it with --chain URL.")
    with tempfile.TemporaryDirectory() as folder:  # a chain writes to its folder, and the run's stays as it is
        copy = Path(folder) / "chain"
        shutil.copytree(run / "chain", copy)
        with open_chain(kind, copy) as endpoint:
            yield ChainLedger(endpoint.url, deployment)


def _probe_shards(run: Path) -> dict[bytes, ProbeShard]:
    """Read the public probe pool, of which every participant has a copy."""
    for path in sorted((run / "participants").glob(f"*/{PROBE_FILE}")):
        return {shard.digest(): shard for shard in load_probe_pool(path)}
    return {}
