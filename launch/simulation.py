"""The same strategy and the same client app as in a real federation, in one process."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from flwr.serverapp.strategy import Result

from client.app import build_app
from client.scoring import apply_alone
from client.store import ParticipantFolder
from common.config import Settings
from common.models import Arrays, Model
from common.wire import PeerTask, Subject, TrainReply
from launch.in_process_grid import InProcessGrid
from server.coordinator import coordinate
from server.federation import Federation, load_secrets
from server.ledger import Ledger


def simulate(
    settings: Settings,
    federation: Federation,
    client_dirs: Sequence[Path],
    ledger: Ledger,
    run_dir: Path,
    on_reply: Callable[[], None],
) -> Result:
    """Run a prepared federation to its end, node after node.

    Peers share this process, so an update is applied once for its whole committee; the numbers are those of separate
    processes to the last bit, which a test compares.
    """
    shared = _SharedProcess(settings.clients)
    app = build_app(open_folder=shared.open_folder, apply=shared.apply)
    _, committee_secret = load_secrets(federation.folder)
    grid = InProcessGrid(app, client_dirs, on_reply)
    return coordinate(grid, settings, federation, committee_secret, ledger, run_dir)


class _SimulatedFolder(ParticipantFolder):
    """A folder whose replies are not kept: a simulation that is interrupted starts again from its checkpoint."""

    def saved_reply(self, run_id: bytes, server_round: int, model_name: str) -> TrainReply | None:
        del run_id, server_round, model_name
        return None

    def save_reply(self, run_id: bytes, server_round: int, model_name: str, reply: TrainReply) -> None:
        del run_id, server_round, model_name, reply


class _SharedProcess:
    """What nodes in one process need not do twice: read their files, and apply one and the same update."""

    def __init__(self, updates_kept: int) -> None:
        self._folders: dict[Path, ParticipantFolder] = {}
        self._applied: OrderedDict[bytes, Arrays] = OrderedDict()
        self._updates_kept = updates_kept

    def open_folder(self, path: Path) -> ParticipantFolder:
        return self._folders.setdefault(path, _SimulatedFolder(path))

    def apply(self, task: PeerTask, model: Model, state: Arrays, subject: Subject) -> Arrays:
        # the commitment stands for run, round and update, so it names the result
        if subject.commitment not in self._applied:
            self._applied[subject.commitment] = apply_alone(task, model, state, subject)
            if len(self._applied) > self._updates_kept:
                self._applied.popitem(last=False)
        return self._applied[subject.commitment]
