"""`tfedrs provision`, `join`, `prepare-data`, `admit`, `revoke`, `renew`, `bundle`: files for separate machines."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from common.account import KEYSTORE_FILE, load_account, random_account, save_account
from common.data.named_csv import CsvColumns
from common.errors import WrongUse
from launch.admitted_nodes import NODES_DIR, admitted_nodes
from launch.federation_plan import PLAN_FILE, load_plan
from launch.join_request import REQUEST_FILE, read_request, write_request
from launch.node_keys import NODE_KEY_FILE, load_node_key, load_or_create_node_key
from launch.participant_folder import PARTICIPANT_FILE, Participant
from launch.workspace import PROJECT_ROOT, require_writable


def provision(plan_path: Path, out: Path | None, account_dir: Path | None, data_root: Path | None) -> dict[str, Any]:
    """Write the folders of all machines; see `launch.provisioning.provision`."""
    from launch.provisioning import provision as write_folders  # noqa: PLC0415 - pandas, flwr and web3

    plan = load_plan(plan_path)
    done = write_folders(plan, plan_path.read_bytes(), out or Path(plan.name), account_dir, data_root)
    return {
        "coordinator": str(done.coordinator),
        "participants": {name: str(path) for name, path in zip(plan.everybody, done.participants, strict=True)},
        "app_sha256": done.app,
    }


def join(folder: Path, name: str | None, federation: str | None, *, new_node_key: bool) -> dict[str, Any]:
    """Make what keys are missing in a participant's folder, and write `request.json`.

    Args:
        folder: The participant's; made where it is missing.
        name: The participant's; None takes it from `participant.toml`.
        federation: Likewise.
        new_node_key: Replace the node's key: the earlier one works until the coordinator has admitted this one.

    Raises:
        WrongUse: name or federation is not known, or keys are damaged.
    """
    if (folder / PARTICIPANT_FILE).exists():
        known = Participant.load(folder)
        name, federation = name or known.name, federation or known.federation
    if not name or not federation:
        raise WrongUse(f"There is no {PARTICIPANT_FILE} in {folder}; add --name and --federation.")
    require_writable(folder.absolute())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / KEYSTORE_FILE).exists():
        save_account(random_account(), folder)
    if new_node_key:
        (folder / NODE_KEY_FILE).unlink(missing_ok=True)
    load_or_create_node_key(folder)
    account = load_account(folder)
    request = folder / REQUEST_FILE
    write_request(request, federation, name, account, load_node_key(folder))
    return {"account": account.address, "request": str(request)}


def prepare_data(folder: Path, csv: Path, csv_columns: str) -> dict[str, Any]:
    """Cut a participant's own interactions; see `launch.own_data.cut_own_data`."""
    from launch.own_data import cut_own_data  # noqa: PLC0415 - numpy

    return asdict(cut_own_data(folder, csv, CsvColumns.parse(csv_columns)))


def admit(coordinator_dir: Path, request_path: Path) -> dict[str, Any]:
    """Check a request and let its node in; a coordinator that runs does so within seconds.

    Raises:
        WrongUse: the request does not hold, is for another federation, or would take another's place.
    """
    plan = load_plan(coordinator_dir / PLAN_FILE)
    request = read_request(request_path)
    node = request.node
    if request.federation != plan.name:
        raise WrongUse(f"{request_path} asks for the federation {request.federation!r}, but this one is {plan.name!r}.")
    if node.name not in plan.everybody:
        raise WrongUse(f"The plan of {plan.name} has nobody called {node.name!r}; its data were never cut.")
    admitted = admitted_nodes(coordinator_dir)
    before = admitted.pop(node.name, None)
    if before is not None and before.account != node.account:
        raise WrongUse(f"The name {node.name!r} belongs to another account; revoke it first if it shall have this one.")
    if any(
        node.account == other.account or node.node_public_key == other.node_public_key for other in admitted.values()
    ):
        raise WrongUse(f"The keys in {request_path} are those of another participant; let {node.name} make its own.")
    node.save(coordinator_dir)
    folder = coordinator_dir.absolute().parent / "participants" / node.name
    return {"name": node.name, "account": node.account, "rotated": before is not None, "folder": str(folder)}


def revoke(coordinator_dir: Path, name: str) -> dict[str, Any]:
    """Let a participant's node in no more; its account keeps what it has earned.

    Raises:
        WrongUse: there is nobody of that name.
    """
    load_plan(coordinator_dir / PLAN_FILE)
    if name not in admitted_nodes(coordinator_dir):
        raise WrongUse(f"Nobody called {name!r} is admitted; the names are those of the files in {NODES_DIR}/.")
    (coordinator_dir / NODES_DIR / f"{name}.json").unlink()
    return {"revoked": name}


def renew(coordinator_dir: Path) -> dict[str, Any]:
    """Make a new authority and a new certificate, in the place of those in `tls/`; a restart takes them up.

    Raises:
        WrongUse: the folder is no coordinator's.
    """
    from launch.certificates import VALID_FOR, write_public_certificates  # noqa: PLC0415 - cryptography

    plan = load_plan(coordinator_dir / PLAN_FILE)
    authority = write_public_certificates(coordinator_dir, plan).authority
    return {"authority": str(authority), "days": VALID_FOR.days}


def bundle() -> dict[str, Any]:
    """Return the sha256 of the app bundle that this checkout makes."""
    from launch.app_bundle import build_app_bundle  # noqa: PLC0415 - flwr

    return {"app_sha256": build_app_bundle(PROJECT_ROOT).sha256}
