"""A run as its folder shows it: what the coordinator says now, what the report says so far."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.bounded_json import parse_json
from common.errors import CheckFailed, WrongUse
from launch.container.members import load_members
from server.run_status import STATUS_FILE, RunStatus, read_status

REPORT_FILE = "report.json"
MEMBERS = "federation.toml"  # of a federation in containers, in its volume `record`
_NOT_BEGUN = "There is no run in {folder} yet; start one, or give the folder of a run or of a federation."


@dataclass(frozen=True, eq=False)
class RunState:
    """What is known of one run.

    Attributes:
        folder: The run folder.
        status: Where it stands; None for a run of an earlier version, which wrote none.
        report: Its report; {} before the run is open on the ledger.
    """

    folder: Path
    status: RunStatus | None
    report: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The report's rows, one for each settled round."""
        rows: list[dict[str, Any]] = self.report.get("rounds", [])
        return rows


def newest_run(folder: Path) -> Path:
    """Return the run that a folder stands for: itself, or the newest of those in it or in its `runs/`.

    Args:
        folder: A run folder, the folder of a federation (which holds `coordinator/` and `runs/`), a provisioned
            coordinator's folder, or a folder of run folders.

    Raises:
        WrongUse: there is none.
    """
    folder = folder.resolve()
    if _is_run(folder):
        return folder
    for place in (folder / "runs", folder.parent / "runs" if (folder / "federation.json").exists() else folder):
        runs = [path for path in _folders(place) if _is_run(path)]
        if runs:
            return max(runs, key=_last_written)
    raise WrongUse(_NOT_BEGUN.format(folder=folder))


def read_run(folder: Path) -> RunState:
    """Read what a run folder shows.

    Raises:
        CheckFailed: a file is damaged.
    """
    status = read_status(folder)
    path = folder / REPORT_FILE
    try:
        report = parse_json(path.read_bytes())
        if not isinstance(report, dict) or not isinstance(report["rounds"], list):
            raise ValueError("it has no rounds")
    except FileNotFoundError:
        report = {}
    except (OSError, ValueError, KeyError) as error:
        raise CheckFailed(f"{path} cannot be read ({error}); the run writes it anew when it goes on.") from error
    return RunState(folder, status, report)


def names_of_accounts(home: Path) -> dict[str, str]:
    """Return what the participants of a federation are called, by account, as far as the folder says.

    Args:
        home: The folder with `coordinator/` in it.
    """
    records = [*_records(home.glob("coordinator/nodes/*.json"))]
    names = {str(record["account"]): str(record["name"]) for _, record in records if {"account", "name"} <= set(record)}
    for path, record in _records(home.glob("participants/*/account.json")):
        if "address" in record:
            names[account_of(str(record["address"]))] = path.parent.name
    if (home / MEMBERS).exists():
        names |= {member.account: member.name for member in load_members(home / MEMBERS)}
    return names


def _records(paths: Iterable[Path]) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for path in sorted(paths):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue  # only a name is lost, and who opens the file for its content says what is wrong with it
        if isinstance(record, dict):
            found.append((path, record))
    return found


def account_of(address: str) -> str:
    """Return the account of a keystore's address, with its checksum."""
    from eth_utils.address import to_checksum_address  # noqa: PLC0415 - only here

    try:
        return str(to_checksum_address(address))
    except ValueError:
        return address


def _is_run(folder: Path) -> bool:
    return (folder / STATUS_FILE).exists() or (folder / REPORT_FILE).exists()


def _folders(place: Path) -> list[Path]:
    try:
        return [path for path in place.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _last_written(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run / STATUS_FILE, run / REPORT_FILE) if path.exists())
