"""The same strategy and the same client app as in a real federation, in one process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client.app import CLIENT_DIR, build_app
from client.personalisation import Personal
from client.scoring import PeerWork
from client.store import ParticipantFolder
from client.training import LocalStep
from common.config import Settings
from common.data.probe import ProbeShard
from common.models import Arrays, FloatArray, Model
from common.probe_scoring import MeasuredShard
from common.wire import PeerTask, RoundTask, Subject, TrainReply
from launch.batched_users import BatchedUsers
from launch.in_process_grid import InProcessGrid
from server.coordinator import coordinate
from server.federation import Federation, load_secrets
from server.ledger import Ledger


@dataclass(frozen=True)
class Behaviour:
    """What a client does in place of training and scoring honestly; it still keeps to the messages.

    Attributes:
        local_step: Makes its updates.
        peer_work: Its work as a peer, given the honest work that the simulation's peers share.
    """

    local_step: LocalStep
    peer_work: Callable[[PeerWork], PeerWork]


def simulate(
    settings: Settings,
    federation: Federation,
    client_dirs: Sequence[Path],
    ledger: Ledger,
    run_dir: Path,
    on_reply: Callable[[], None],
    *,
    tensorboard: bool = False,
    batch: bool = False,
    device: str = "cpu",
    behaviours: Mapping[Path, Behaviour] | None = None,
) -> Mapping[str, float]:
    """Run a prepared federation to its end, node after node; return the nodes' processor seconds by message type.

    Peers share this process, so what several of them need is computed once; the numbers are those of separate
    processes to the last bit, which a test compares. With `batch` the users of all clients of a round are fitted
    together, and the numbers agree to 1e-6. `device` is where clients train NCF, see `common.device`. `behaviours` are
    those of the clients, by folder, that are not honest.
    """
    batched = BatchedUsers(device)
    folders = _SharedFolders(batched)
    shared = _SharedPeerWork()
    honest = build_app(folders.open, shared, device)
    others = {
        str(path): build_app(folders.open, behaviour.peer_work(shared), device, behaviour.local_step)
        for path, behaviour in (behaviours or {}).items()
    }

    def fit(asked: Sequence[tuple[Path, Message]]) -> None:
        batched.fit([(folders.open(path), message) for path, message in asked])

    _, committee_secret = load_secrets(federation.folder)
    grid = InProcessGrid(_Apps(honest, others), client_dirs, on_reply, fit if batch else None)
    coordinate(grid, settings, federation, committee_secret, ledger, run_dir, tensorboard=tensorboard)
    return grid.cpu_seconds


@dataclass(frozen=True)
class _Apps:
    """The app of each client: its own by the name of its folder, or the honest one."""

    honest: ClientApp
    others: Mapping[str, ClientApp]

    def __call__(self, message: Message, context: Context) -> Message:
        return self.others.get(str(context.node_config[CLIENT_DIR]), self.honest)(message, context)


class _SimulatedFolder(ParticipantFolder):
    """A folder whose replies are not kept: a simulation that is interrupted starts again from its checkpoint."""

    def __init__(self, path: Path, batched: BatchedUsers) -> None:
        super().__init__(path)
        self._batched = batched

    def fitted_users(self, model_bytes: bytes) -> FloatArray | None:
        return self._batched.vectors(self, model_bytes)

    def saved_reply(self, run_id: bytes, server_round: int, model_bytes: bytes) -> TrainReply | None:
        del run_id, server_round, model_bytes
        return None

    def save_reply(
        self, run_id: bytes, server_round: int, model_bytes: bytes, reply: TrainReply, update: Arrays, unsent: Arrays
    ) -> None:
        del model_bytes, reply
        self.save_unsent(run_id, server_round, update, unsent)  # the one thing that a later round needs

    def save_user_vectors(self, model_bytes: bytes, vectors: FloatArray) -> None:
        del model_bytes, vectors

    def save_personal(self, model_bytes: bytes, personal: Personal) -> None:
        del model_bytes, personal


class _SharedFolders:
    """Opens every folder once, however many messages its node gets."""

    def __init__(self, batched: BatchedUsers) -> None:
        self._batched = batched
        self._folders: dict[Path, ParticipantFolder] = {}

    def open(self, path: Path) -> ParticipantFolder:
        return self._folders.setdefault(path, _SimulatedFolder(path, self._batched))


class _SharedPeerWork(PeerWork):
    """Remembers the work of one round: each shard measured once, each update applied once for its whole committee."""

    def __init__(self) -> None:
        self._server_round = 0
        self._measured: dict[bytes, MeasuredShard] = {}
        self._applied: dict[bytes, Arrays] = {}

    def measure(self, task: RoundTask, model: Model, state: Arrays, digest: bytes, shard: ProbeShard) -> MeasuredShard:
        self._forget_other_rounds(task)
        if digest not in self._measured:
            self._measured[digest] = super().measure(task, model, state, digest, shard)
        return self._measured[digest]

    def apply_alone(self, task: PeerTask, model: Model, state: Arrays, subject: Subject) -> Arrays:
        self._forget_other_rounds(task.round_task)
        # the commitment stands for run, round, account and update, and every peer is asked to check the same bytes
        if subject.commitment not in self._applied:
            self._applied[subject.commitment] = super().apply_alone(task, model, state, subject)
        return self._applied[subject.commitment]

    def _forget_other_rounds(self, task: RoundTask) -> None:
        if task.server_round != self._server_round:
            self._server_round = task.server_round
            self._measured.clear()
            self._applied.clear()
