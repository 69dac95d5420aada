"""From a plan to folders: one for the coordinator's machine, one for each participant's."""

from dataclasses import dataclass
from pathlib import Path

from common.account import development_account, load_account, random_account, save_account
from common.atomic_file import write_atomically
from common.data.catalogue import Catalogue
from common.data.probe import PROBE_FILE, save_probe_pool
from common.errors import WrongUse
from launch.admitted_nodes import AdmittedNode
from launch.app_bundle import build_app_bundle
from launch.certificates import write_public_certificates
from launch.chain_choice import external_url, open_chain
from launch.federation_on_chain import open_ledger
from launch.federation_plan import PLAN_FILE, FederationPlan
from launch.node_keys import load_or_create_node_key
from launch.participant_folder import Participant, write_start
from launch.preparation import COORDINATOR_INDEX, committee_secret, prepare_data, write_client_data, write_public_data
from launch.start_files import Service, write_start_files
from launch.supernode import AUTHORITY_FILE
from launch.workspace import PROJECT_ROOT, choose_run_folder
from server.federation import DEPLOYMENT_FILE, Federation, save_federation

_README = """\
# {name}, the coordinator

    ./start.sh

starts a SuperLink on 127.0.0.1 and the proxy on {listen}:{port} that participants reach as {address}, and stays. It
needs this project installed (`make setup`) and nginx. Runs are then submitted with `flwr run`, on this machine alone;
what to type is printed. They are written to `runs/` beside this folder.

    tfedrs admit . REQUEST.json     a participant that made its own keys, or a new key of one that is known
    tfedrs revoke . NAME            its node is let in no more
    tfedrs renew .                  new certificates; `tls/ca.pem` then goes to every participant

Both work while the federation runs. `account.*`, `committee.secret` and `tls/server.key` are for this machine alone.
The folders in `participants/` beside this one go to their machines, over a channel you trust; then remove them here.
"""


@dataclass(frozen=True)
class Provisioned:
    """What was written.

    Attributes:
        coordinator: The coordinator's folder.
        participants: A folder for each participant, in the order of the plan.
        app: sha256 of the app bundle, which the participants' lists name.
    """

    coordinator: Path
    participants: tuple[Path, ...]
    app: str


def provision(
    plan: FederationPlan, plan_text: bytes, out: Path, account_dir: Path | None, data_root: Path | None
) -> Provisioned:
    """Cut the data, put the contracts on the chain, make keys and certificates, write the folders.

    Args:
        plan: What to make.
        plan_text: The file it was read from, kept in the coordinator's folder.
        out: Where `coordinator/` and `participants/` go; new or empty.
        account_dir: On a chain given by URL, the account that pays.
        data_root: Folder of the data sets that are not bundled.

    Raises:
        WrongUse: data, folder or account do not fit; nothing was written.
        EnvironmentFailure: the chain does not start or does not answer.
    """
    external = bool(external_url(plan.chain))
    if external != (account_dir is not None):
        raise WrongUse(
            "A chain given by URL needs an account that pays for gas: make one with `tfedrs account DIR`, send it "
            "some, and add --account DIR."
            if external
            else "--account is for a chain given by URL; leave it out."
        )
    data = prepare_data(plan.settings, data_root, len(plan.own_data))
    folder = choose_run_folder(out)
    payer = (
        development_account(plan.settings.seed, COORDINATOR_INDEX) if account_dir is None else load_account(account_dir)
    )
    accounts = [random_account() for _ in plan.participants]
    coordinator_dir = folder / "coordinator"
    with open_chain(plan.chain, folder / "chain") as endpoint:
        open_ledger(endpoint, plan.settings, payer, accounts, None, coordinator_dir)
    save_account(payer, coordinator_dir, development=endpoint.development)
    federation = Federation(
        item_count=len(data.dataset.item_ids),
        catalogue_hash=Catalogue.of(data.dataset).digest(),
        probe_shards=tuple(shard.digest() for shard in data.probe),
        data_hashes=data.dataset.file_hashes,
        prepared_with=plan.settings,
        chain_kind=endpoint.kind,
        folder=coordinator_dir,
        development=endpoint.development,
    )
    save_federation(federation, committee_secret(plan.settings, development=endpoint.development))
    save_probe_pool(coordinator_dir / PROBE_FILE, data.probe)
    write_atomically(coordinator_dir / PLAN_FILE, plan_text)
    certificates = write_public_certificates(coordinator_dir, plan)
    app = build_app_bundle(PROJECT_ROOT).sha256
    folders = tuple(folder / "participants" / name for name in plan.everybody)
    brings = [name in plan.own_data for name in plan.everybody]
    write_client_data([path for path, own in zip(folders, brings, strict=True) if not own], data)
    write_public_data([path for path, own in zip(folders, brings, strict=True) if own], data)
    for name, client_dir in zip(plan.everybody, folders, strict=True):
        participant = Participant(name, plan.name, plan.public_address, (app,))
        participant.save(client_dir)
        write_start(participant, client_dir, own_keys=name in plan.own_keys, own_data=name in plan.own_data)
        write_atomically(client_dir / AUTHORITY_FILE, certificates.authority.read_bytes(), private=True)
        write_atomically(client_dir / DEPLOYMENT_FILE, (coordinator_dir / DEPLOYMENT_FILE).read_bytes())
    for name, client_dir, account in zip(plan.participants, folders, accounts, strict=False):
        save_account(account, client_dir)
        key = load_or_create_node_key(client_dir).decode()
        AdmittedNode(name, account.address, key).save(coordinator_dir)
    listening = {"listen": plan.listen, "port": plan.port, "address": plan.public_address}
    (coordinator_dir / "README.md").write_text(_README.format(name=plan.name, **listening))
    what, place = f"coordinator of {plan.name}", "/srv/tfedrs/coordinator"
    # chain/, served/ and runs/ lie beside its folder
    service = Service(f"tfedrs-{plan.name}.service", what, place, "coordinate", "/srv/tfedrs", memory="4G")
    write_start_files(coordinator_dir, service)
    return Provisioned(coordinator_dir, folders, app)
