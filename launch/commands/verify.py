"""`tfedrs verify`: recompute every round of a run from its evidence and the chain."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.data.probe import PROBE_FILE, ProbeShard, load_probe_pool
from common.errors import WrongUse
from contracts.deployment import Deployment
from launch.chain_choice import external_url, kept_chain, open_chain
from launch.prepared_run import MEMORY
from server.chain import ChainLedger
from server.federation import DEPLOYMENT_FILE, Federation, load_federation
from server.ledger import Ledger
from server.replay.mismatch import Mismatch
from server.replay.run import replay_run
from server.run_folder import RunFolder
from server.submitted_run import federation_home

_NO_WITNESS = "whether anybody independent has seen the record: whoever holds the run folder can write its chain anew"
_EVIDENCE = re.compile(r"round-([0-9]{4,6})\.json")


def count_rounds(run: Path) -> int:
    """Return the number of the last round that a run folder has evidence of.

    Raises:
        WrongUse: none.
    """
    names = [_EVIDENCE.fullmatch(path.name) for path in (run / "evidence").glob("round-*.json")]
    rounds = max((int(name[1]) for name in names if name), default=0)
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
        What was checked, under the names of `server.replay.run.Verified`, and "verified", "ledger" (the run's own word
        for its kind) and "independent_witness".

    Raises:
        WrongUse: the folder holds no run, or its chain must be named.
        EnvironmentFailure: the chain does not answer, or its state does not replay.
        Mismatch: the first thing that does not follow.
    """
    rounds = count_rounds(run)
    home = federation_home(run)
    federation = load_federation(home / "coordinator")
    shards = _probe_shards(home)
    url = _chain_url(home, federation, chain)
    with _ledger(home, federation, url) as ledger:
        done = replay_run(
            RunFolder(run),
            federation,
            rounds,
            ledger,
            shards,
            restricted=not public_only,
            on_round=on_round,
        )
    # of a chain that was started from the run folder nobody else has a copy, whatever the folder calls it
    independent = bool(url) and federation.chain_kind == "external"
    return asdict(done) | {
        "verified": True,
        "ledger": federation.chain_kind,
        "independent_witness": independent,
        "unchecked": done.unchecked + ([] if independent or federation.chain_kind == MEMORY else [_NO_WITNESS]),
    }


def describe(result: dict[str, Any]) -> str:
    """Return the outcome in lines for people."""
    agreeing = f"; {result['on_ledger']} rounds agree with the ledger ({result['ledger']})"
    lines = [
        f"Verified {result['rounds']} rounds: {result['signatures']:,} signatures, committees, judgements, rewards and "
        f"roots{agreeing if result['on_ledger'] else ''}."
    ]
    if result["models"]:
        lines.append(
            f"Computed again: {result['updates']:,} updates checked, {result['scores']:,} scores (largest difference "
            f"{result['score_difference']:.1e}), {result['models']} models ({result['model_difference']:.1e})."
        )
    lines += [f"Not checked: {sentence}." for sentence in result["unchecked"]]
    return "\n".join(lines)


def _chain_url(home: Path, federation: Federation, chain: str) -> str:
    """Return where the chain answers; "" where it is started from the run folder, or where there is none."""
    if federation.chain_kind == MEMORY:
        if chain != "auto":
            raise WrongUse(f"The ledger of {home} was kept in memory and is gone; leave --chain out.")
        return ""
    if chain == "auto" and kept_chain(home / "chain") is not None:
        return ""  # also where the environment names a chain, which is not this run's
    url = external_url(chain)
    if not url and kept_chain(home / "chain") is None:
        raise WrongUse(f"The chain of {home} was not started by that run; name it with --chain URL.")
    return url


@contextmanager
def _ledger(home: Path, federation: Federation, url: str) -> Iterator[Ledger | None]:
    if federation.chain_kind == MEMORY:
        yield None
        return
    deployment = Deployment.load(home / "coordinator" / DEPLOYMENT_FILE)
    kind = kept_chain(home / "chain")
    if url or kind is None:
        yield ChainLedger(url, deployment)
        return
    with tempfile.TemporaryDirectory() as folder:  # a chain writes to its folder, and the run's stays as it is
        copy = Path(folder) / "chain"
        shutil.copytree(home / "chain", copy, copy_function=shutil.copyfile)
        copy.chmod(0o700)  # of a run that was made read-only too
        with open_chain(kind, copy) as endpoint:
            yield ChainLedger(endpoint.url, deployment)


def _probe_shards(home: Path) -> dict[bytes, ProbeShard]:
    """Read the public probe pool; {} where it is not in the folder.

    Raises:
        Mismatch: it cannot be read.
    """
    path = home / "coordinator" / PROBE_FILE
    if not path.exists():
        return {}
    try:
        return {shard.digest(): shard for shard in load_probe_pool(path)}
    except WrongUse as error:
        raise Mismatch(None, None, "probe pool", str(error).rstrip(".")) from error
