"""The coordinator's run from its first line to its last: open or resume, play the rounds, finish."""

from pathlib import Path

from flwr.serverapp import Grid
from flwr.serverapp.strategy import Result

from common.atomic_file import remove_leftovers
from common.commitment import SigningDomain
from common.config import Settings
from common.errors import WrongUse
from common.log_lines import log_context, run_field
from common.models import model_of
from common.record_fields import bytes_record
from common.update import Packed, encode_model
from common.wire import RoundTask, round_config
from contracts.deployment import WEI_PER_TOKEN
from server.federation import Federation, earned_before, load_public_pool, read_rewards
from server.initial_model import initial_model
from server.ledger import Ledger
from server.run_folder import Checkpoint, RunFolder
from server.run_recorder import RunRecorder
from server.seed_chain import SeedChain
from server.settlement import Standing
from server.status_writer import StatusWriter
from server.strategy import ReputationFedAvg
from server.watched_grid import WatchedGrid


def coordinate(
    grid: Grid,
    settings: Settings,
    federation: Federation,
    committee_secret: bytes,
    ledger: Ledger,
    run_dir: Path,
    *,
    tensorboard: bool = False,
) -> Result:
    """Train a federation, from its first round or from the one after its checkpoint.

    Args:
        grid: Flower's grid, or the in-process one.
        settings: The run's settings.
        federation: Catalogue, probe shards and contracts.
        committee_secret: What s_T of the seed chain comes from.
        ledger: Where every step is recorded.
        run_dir: The run folder.
        tensorboard: Whether to write TensorBoard events there.

    Raises:
        WrongUse: fewer accounts are registered than the settings have clients, earlier rewards are unknown, or the
            public data that it is pre-trained on and scored by are not those of the federation.
        CheckFailed: a file that the run goes on from was altered.
        LedgerConflict: the ledger holds another history of this run.
    """
    folder = RunFolder(run_dir, tensorboard=tensorboard)
    folder.remove_leftovers()
    remove_leftovers(federation.folder, (federation.rewards_file.name,))
    model = model_of(settings)
    cohort = ledger.participants()
    if len(cohort) < settings.clients:
        raise WrongUse(
            f"{len(cohort)} accounts are registered, but --clients is {settings.clients}; register the rest."
        )
    pool = load_public_pool(federation)
    checkpoint = folder.load_checkpoint()
    if checkpoint is None:
        state = initial_model(settings, federation.item_count, pool)
        model_bytes = encode_model(Packed(model.name, federation.item_count, state))
        checkpoint = Checkpoint(
            run_id=federation.new_run_id(settings, ledger.run_count()),
            settled_rounds=0,
            model=folder.put_object(model_bytes),
            standing=Standing.at_start(cohort, earned_before(federation.rewards_file, ledger.latest_settlement())),
        )
        folder.save_checkpoint(checkpoint)
    else:
        _refuse_if_others_were_paid(checkpoint, federation, ledger)
    run_id, settled_rounds = checkpoint.run_id, checkpoint.settled_rounds
    with (
        log_context(run=run_field(run_id)),
        StatusWriter(run_dir, run_id, settings.rounds, settled_rounds, settings.phase_timeout) as status,
    ):
        model_bytes = folder.get_object(checkpoint.model)
        seed_chain = SeedChain(federation.seed_secret(committee_secret, run_id), settings.rounds)
        recorder = RunRecorder(settings, federation, ledger, folder, checkpoint, status)
        _fill_treasury(ledger, settings, settings.rounds - recorder.rounds_on_ledger())
        recorder.open_run(seed_chain.anchor)
        domain = SigningDomain(ledger.chain_id, ledger.verifying_contract)
        strategy = ReputationFedAvg(model, federation.item_count, pool, seed_chain, recorder)
        return strategy.start(
            WatchedGrid(grid, status),
            bytes_record(model_bytes),
            num_rounds=settings.rounds,
            timeout=settings.phase_timeout,
            train_config=round_config(RoundTask(run_id, settled_rounds + 1, domain, settings, model_bytes)),
        )


def _fill_treasury(ledger: Ledger, settings: Settings, rounds_left: int) -> None:
    """Make sure that the rounds can be paid; the launcher saw to it for a federation's first run only."""
    missing_wei = rounds_left * settings.reward_per_round * WEI_PER_TOKEN - ledger.treasury_wei()
    if missing_wei > 0:
        ledger.fund(missing_wei)


def _refuse_if_others_were_paid(checkpoint: Checkpoint, federation: Federation, ledger: Ledger) -> None:
    """Make sure that no other run has settled on the ledger since this one was interrupted.

    Raises:
        WrongUse: one has; this run's totals lack what it paid, and its next settlement would take it away.
    """
    latest = ledger.latest_settlement()
    if latest is None or latest.run_id == checkpoint.run_id:
        return
    sequence, earned = read_rewards(federation.rewards_file)
    if sequence <= (latest.sequence or 0):  # else the ledger has lost what the file knows; this run may have settled it
        earned = earned_before(federation.rewards_file, latest)
    if any(earned.get(account, 0) > total for account, total in checkpoint.standing.cumulative_wei.items()):
        raise WrongUse("Another run has settled on this ledger since this one stopped; start a new run instead.")
