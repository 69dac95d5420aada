"""Writes docs/hostile-clients.md from played runs: `python -m tests.server.hostile_table`."""

import logging
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.server.hostile_acts import ACCOUNTS, BAD
from tests.server.hostile_arrays import GRADIENTS, NOISY, SHAPED, SUMS, WORTHLESS
from tests.server.hostile_bytes import ENCODED
from tests.server.hostile_client import HostileClient, Verdict
from tests.server.hostile_clients import play_hostile, recorded_reasons
from tests.server.hostile_replies import FORMED, SIGNED
from tests.server.hostile_scores import SCORES
from tests.small_federation import PlayedRun, prepare

PAGE = Path(__file__).parents[2] / "docs" / "hostile-clients.md"
SECTIONS: Sequence[tuple[str, Sequence[HostileClient]]] = (
    ("What a reply is made of", FORMED),
    ("Who sent it, when, for which run", SIGNED),
    ("The bytes of an update", ENCODED),
    ("Its arrays", (*SHAPED, *SUMS)),
    ("Its arrays, with `--model ncf`", GRADIENTS),
    ("Its arrays, with `--noise gaussian`", NOISY),
    ("Updates that are worth nothing", WORTHLESS),
    ("Scores", SCORES),
)
HEAD = """# Hostile clients, and what becomes of them

Each row was played: a run of five clients in which one does this in a single round. Evidence and report then hold the
reason, word for word as it stands here; the others are scored and paid, the round settles, the public record replays,
and in the next round the same client takes part like any other. `tests/server/test_hostile_clients.py` checks it, and
`python -m tests.server.hostile_table` writes this page.

A reason stands under the client's account as soon as its node's binding was checked, and under its node before:
nobody can have a rejection recorded under somebody else's account. Where a reason names an account or a number that
changes with the run, it is shown here as ⟨its account⟩, ⟨another's account⟩, ⟨an address⟩.

What it costs:

"""


def page(played: Callable[[HostileClient, str], PlayedRun]) -> str:
    """The page, from a run of each hostile client in the first kind of run that it belongs to."""
    lines = [HEAD.rstrip("\n"), ""]
    lines += [f"- **{verdict.name.lower()}**: {verdict.value}" for verdict in Verdict]
    for title, rows in SECTIONS:
        lines += ["", f"## {title}", "", "| the client … | recorded reason | cost |", "|---|---|---|"]
        lines += [_row(hostile, played(hostile, hostile.kinds[0])) for hostile in rows]
    return "\n".join(lines) + "\n"


def in_words(reason: str) -> str:
    """A reason with roles in the place of addresses, which change with every setting."""
    for client, account in enumerate(ACCOUNTS):
        reason = reason.replace(account.address, "⟨its account⟩" if client == BAD else "⟨another's account⟩")
    reason = re.sub(r"said -?[\d.]+, is -?[\d.]+", "said ⟨a gain⟩, is ⟨another⟩", reason)
    return re.sub("0x[0-9a-fA-F]{40}", "⟨an address⟩", reason)


def _row(hostile: HostileClient, run: PlayedRun) -> str:
    reasons = recorded_reasons(run, hostile)
    text = in_words(reasons[0]) if reasons else "(nothing)"
    under = "" if not reasons or hostile.proves_itself else " *(under its node)*"
    return f"| {_cell(hostile.does)} | {_cell(text)}{under} | {hostile.verdict.name.lower()} |"


def _cell(text: str) -> str:
    return re.sub(r"([|*_<>\[\]`])", r"\\\1", text)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        small = prepare(Path(name) / "participants")
        runs = Path(name) / "runs"
        PAGE.write_text(
            page(lambda hostile, kind: play_hostile(small, runs / str(len(list(runs.glob("*")))), hostile, kind))
        )


if __name__ == "__main__":
    logging.getLogger("flwr").setLevel(logging.WARNING)
    main()
