"""What a client remembers from one message to the next, and how memories of older formats are read.

`state.json` says the format and, for every run, the last round that was answered. Whatever else is remembered lies in
files of its own beside it and belongs to the same format.

A new format gets a function here that makes it from the one before. It reads the folder as the older program left it,
and may be called again, since a kill can come before its result is stored.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.atomic_file import write_atomically
from common.bounded_json import parse_json
from common.errors import WrongUse

STATE_FILE, REPLIES = "state.json", "replies"


@dataclass
class ClientState:
    """The content of `state.json`.

    Attributes:
        answered: The last round answered in each run, by the first 16 hexadecimal digits of the run's id. Some 30 bytes
            a run, never forgotten: a round that was answered once must not be answered anew.
    """

    answered: dict[str, int] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        record = {"format": FORMAT} | asdict(self)
        write_atomically(folder / STATE_FILE, json.dumps(record).encode(), private=True)

    @staticmethod
    def load(folder: Path) -> "ClientState":
        """Read it, whichever known format it has; a folder that never answered has an empty one.

        Raises:
            WrongUse: it is damaged, or a newer program wrote it.
        """
        path = folder / STATE_FILE
        try:
            record = parse_json(path.read_bytes()) if path.exists() else {"format": 0}
            found = record["format"]
            if type(found) is not int or found < 0:
                raise ValueError("its format is no number")
            if found > FORMAT:
                raise WrongUse(
                    f"{path} has format {found}, and this version reads formats up to {FORMAT}; install the version "
                    "that wrote it, or a later one."
                )
            for upgrade in _UPGRADES[found:]:
                record = upgrade(folder, record)
            answered = record["answered"]
            if not isinstance(answered, dict) or not all(type(last) is int and last > 0 for last in answered.values()):
                raise ValueError("answered is not a number by run")
            return ClientState(answered)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WrongUse(f"{path} cannot be read ({error}); restore it from a backup.") from error


def run_name(run_id: bytes) -> str:
    """Return what a run is called in a client's folder: the first 16 hexadecimal digits of its id."""
    return run_id.hex()[:16]


def _from_format_0(folder: Path, _record: dict[str, Any]) -> dict[str, Any]:
    """Format 0 had no `state.json`: the last round answered is the last one whose reply is there."""
    answered: dict[str, int] = {}
    for reply in (folder / REPLIES).glob("*/round-*/reply.json"):
        run, server_round = reply.parents[1].name, int(reply.parent.name.removeprefix("round-"))
        answered[run] = max(server_round, answered.get(run, 0))
    return {"format": 1, "answered": answered}


_UPGRADES: tuple[Callable[[Path, dict[str, Any]], dict[str, Any]], ...] = (_from_format_0,)
FORMAT = len(_UPGRADES)
"""Of what this program writes. Entry n of `_UPGRADES` makes format n + 1 from format n."""
