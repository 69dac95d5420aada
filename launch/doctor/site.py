"""What the doctor was called to: this machine alone, or with the folder of a run, a coordinator or a participant."""

import os
from dataclasses import dataclass
from pathlib import Path

from common.config import Settings
from common.errors import WrongUse
from launch.chain_choice import URL_VARIABLE
from launch.federation_plan import PLAN_FILE, FederationPlan, load_plan
from launch.participant_folder import PARTICIPANT_FILE, Participant
from launch.resumed_run import settings_of
from launch.run_state import newest_run
from server.federation import DEPLOYMENT_FILE, FEDERATION_FILE, load_federation


@dataclass(frozen=True)
class Site:
    """Where to look.

    Attributes:
        folder: As given; the working directory where none was.
        plan: Of a provisioned coordinator.
        participant: Of a participant's folder.
        coordinator: The folder with the coordinator's files; None where there is none.
        run: The newest run; None where there is none.
        settings: Those of the run, or those that the federation was prepared with; None without a federation.
        chain: URL of the chain to ask; "" where none is known.
        deployment: The file with the contracts' addresses; None where there is none.
    """

    folder: Path
    plan: FederationPlan | None
    participant: Participant | None
    coordinator: Path | None
    run: Path | None
    settings: Settings | None
    chain: str
    deployment: Path | None


def site_of(folder: Path | None, chain: str) -> Site:
    """Find out what a folder is.

    Args:
        folder: None looks at the machine alone.
        chain: URL of the chain; "" takes the plan's, or the one in TFEDRS_CHAIN_URL.

    Raises:
        WrongUse: the folder is none of these, or its plan or settings cannot be read.
    """
    url = chain or os.environ.get(URL_VARIABLE, "")
    if folder is None:
        return Site(Path.cwd(), None, None, None, None, None, url, None)
    folder = folder.resolve()
    if (folder / PARTICIPANT_FILE).exists():
        return Site(folder, None, Participant.load(folder), None, None, None, url, _there(folder / DEPLOYMENT_FILE))
    coordinator = _coordinator_of(folder)
    plan = load_plan(coordinator / PLAN_FILE) if (coordinator / PLAN_FILE).exists() else None
    if not url and plan is not None and "://" in plan.chain:
        url = plan.chain
    run = _run_of(folder)
    settings = settings_of(run) if run is not None else load_federation(coordinator).prepared_with
    return Site(folder, plan, None, coordinator, run, settings, url, _there(coordinator / DEPLOYMENT_FILE))


def _coordinator_of(folder: Path) -> Path:
    for place in (folder, folder / "coordinator", folder.parent.parent / "coordinator"):
        if (place / FEDERATION_FILE).exists():
            return place
    raise WrongUse(
        f"{folder} is no folder of a run, a coordinator or a participant; leave it out to look at the machine alone."
    )


def _run_of(folder: Path) -> Path | None:
    try:
        return newest_run(folder)
    except WrongUse:
        return None


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
