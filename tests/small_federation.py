"""A federation small enough to play in a fraction of a second: 50 users of three tastes, 150 items, 5 clients."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from client.app import build_app
from client.personalisation import Personal
from client.store import ParticipantFolder
from common.account import SigningAccount
from common.config import Settings
from common.data.dataset import Dataset
from common.data.partition import partition_users
from common.data.probe import PROBE_FILE, draw_probe_pool, save_probe_pool
from common.data.splits import leave_one_out
from common.models import FloatArray
from common.wire import PEER_EVALUATION
from launch.in_process_grid import InProcessGrid
from launch.preparation import PreparedData, committee_secret, draw_accounts, write_client_folders
from server.coordinator import coordinate
from server.federation import Federation
from server.ledger import Ledger
from server.memory_ledger import MemoryLedger
from server.run_folder import RunFolder
from tests.common.data.random_data import make_dataset, make_rows

WAD = 10**18
USERS, ITEMS, TASTES = 50, 150, 3
SETTINGS = Settings(
    dataset="small",
    clients=5,
    rounds=2,
    factors=4,
    committee_size=3,
    volunteer_share=0.5,
    probe_pairs=60,
    phase_timeout=0.3,  # only a node that never answers is waited for
    compression="none",  # so that a test can change an array of an update; test_compressed_rounds.py has the others
)

LOST = RecordDict({"lost": ConfigRecord({})})
"""A reply with this content never arrives."""

Online = Callable[[int], Iterable[int]]
"""Round -> the clients, by number, whose nodes are online when it looks for some."""

Act = Callable[[Message, Context, ClientApp], Message]
"""What a node does with a message, given the app of an honest client."""


@dataclass(frozen=True, eq=False)
class SmallFederation:
    """What is there before the first round.

    Attributes:
        settings: Of the run.
        data: What the clients' parts were cut from.
        accounts: Of the clients; client k is node `node_of(k)`.
        client_dirs: Their folders.
        folder: Where `federation` keeps its files.
    """

    settings: Settings
    data: PreparedData
    accounts: tuple[SigningAccount, ...]
    client_dirs: list[Path]

    def federation(self, folder: Path) -> Federation:
        return Federation(
            item_count=ITEMS,
            catalogue_hash=bytes([5]) * 32,
            probe_shards=tuple(shard.digest() for shard in self.data.probe),
            data_hashes={},
            prepared_with=self.settings,
            chain_kind="memory",
            folder=folder,
            development=True,
        )

    def ledger(self) -> MemoryLedger:
        """A ledger with everybody registered and enough to pay for ten rounds."""
        ledger = MemoryLedger(treasury_wei=10 * self.settings.reward_per_round * WAD)
        ledger.register_for([account.address for account in self.accounts], 0)
        return ledger

    def play(
        self,
        run_dir: Path,
        ledger: Ledger | None = None,
        *,
        acts: Mapping[int, Act] | None = None,
        settings: Settings | None = None,
        app: ClientApp | None = None,
        client_dirs: list[Path] | None = None,
        tensorboard: bool = False,
        online: Online | None = None,
    ) -> "PlayedRun":
        """Play the run to its end, or from its checkpoint to its end.

        Args:
            run_dir: The run folder; the coordinator's files are in there too.
            ledger: A new one where it is not given.
            acts: What some clients, by number, do instead of what the app does.
            settings: Instead of the federation's own.
            app: Instead of an app that keeps no replies.
            client_dirs: Instead of the federation's own, such as in another order.
            tensorboard: Whether to write events.
            online: Which nodes are there; always all where it is not given.
        """
        ledger = ledger or self.ledger()
        settings = settings or self.settings
        nodes = _Nodes(app or forgetful_app(), {node_of(client): act for client, act in (acts or {}).items()})
        grid = _LossyGrid(nodes, client_dirs or self.client_dirs, online)
        secret = committee_secret(settings, development=True)
        if not (run_dir / "coordinator" / PROBE_FILE).exists():
            (run_dir / "coordinator").mkdir(parents=True, exist_ok=True)
            save_probe_pool(run_dir / "coordinator" / PROBE_FILE, self.data.probe)
        coordinate(
            grid, settings, self.federation(run_dir / "coordinator"), secret, ledger, run_dir, tensorboard=tensorboard
        )
        return PlayedRun(run_dir, ledger)


@dataclass(frozen=True)
class PlayedRun:
    """What a run has left behind."""

    folder: Path
    ledger: Ledger

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_bytes(), parse_constant=_not_json)
        return report

    def evidence(self, server_round: int) -> dict[str, Any]:
        evidence: dict[str, Any] = json.loads(RunFolder(self.folder).get_evidence(server_round))
        return evidence

    def judgement(self, server_round: int, account: str) -> dict[str, Any]:
        return next(one for one in self.evidence(server_round)["judgements"] if one["account"] == account)

    def reasons(self, server_round: int, account: str) -> list[str]:
        """Why something of this account, or "node 2", was left out; the report and the evidence must agree."""
        row = self.report["rounds"][server_round - 1]
        reported = [entry["reason"] for entry in row["rejected"] if entry["account"] == account]
        evidence = self.evidence(server_round)
        recorded = [entry["reason"] for entry in evidence["rejected"] if entry["account"] == account]
        recorded += [
            one["gate_reason"] for one in evidence["judgements"] if one["account"] == account and one["gate_reason"]
        ]
        assert reported == recorded
        return recorded

    def reward_wei(self, server_round: int, account: str) -> int:
        return int(self.report["rounds"][server_round - 1]["reward"][account])


def node_of(client: int) -> int:
    """The node id of client 0, 1, ..."""
    return client + 2


def small_dataset() -> Dataset:
    """Everybody likes 20 items of one third of the catalogue, some of them more often liked, and 4 of the rest."""
    rng = np.random.default_rng(1)
    per_taste = ITEMS // TASTES
    popularity = 1 / np.arange(1, per_taste + 1)
    histories = []
    for user in range(USERS):
        own = rng.choice(per_taste, 20, replace=False, p=popularity / popularity.sum()) + per_taste * (user % TASTES)
        liked = rng.permutation(np.union1d(own, rng.choice(ITEMS, 4, replace=False))).tolist()
        histories.append({item: 1 + time for time, item in enumerate(liked)})
    return make_dataset(make_rows(histories, ITEMS))


def rated_dataset() -> Dataset:
    """The same interactions with stars: many for one's own taste, fewer from strict users, and some noise."""
    dataset = small_dataset()
    rows, rng = dataset.interactions, np.random.default_rng(2)
    own = rows.items // (ITEMS // TASTES) == rows.users % TASTES
    strictness, quality = rng.normal(0.0, 0.5, USERS)[rows.users], rng.normal(0.0, 0.3, ITEMS)[rows.items]
    stars = 2.5 + 1.3 * own - strictness + quality + rng.normal(0.0, 0.3, own.size)
    halves = np.round(2 * np.clip(stars, 0.5, 5.0)) / 2
    return replace(dataset, interactions=replace(rows, ratings=halves.astype(np.float32)))


def prepare(folder: Path, settings: Settings = SETTINGS, dataset: Dataset | None = None) -> SmallFederation:
    """Cut the data, `small_dataset()` where none is given, and write the clients' folders."""
    dataset = dataset or small_dataset()
    parts = partition_users(dataset, settings.clients, settings.partition, settings.seed, settings.partition_alpha)
    split = leave_one_out(dataset, settings.seed)
    shards = min(settings.committee_size, settings.clients - 1)
    probe, train = draw_probe_pool(split.train, shards, settings.probe_pairs, settings.volunteer_share, settings.seed)
    data = PreparedData(dataset, split, train, probe, parts)
    accounts = draw_accounts(settings, development=True).clients
    return SmallFederation(settings, data, accounts, write_client_folders(folder, data, accounts, development=True))


def forgetful_app() -> ClientApp:
    """The honest app; it reads each folder once and keeps no replies, so that many runs can share the folders."""
    folders: dict[Path, ParticipantFolder] = {}
    return build_app(open_folder=lambda path: folders.setdefault(path, _ForgetfulFolder(path)))


class _ForgetfulFolder(ParticipantFolder):
    def saved_reply(self, run_id: bytes, server_round: int, model_name: str) -> None:
        return None

    def save_reply(self, *reply: object) -> None:
        pass

    def save_user_vectors(self, model_bytes: bytes, vectors: FloatArray) -> None:
        pass

    def save_personal(self, model_bytes: bytes, personal: Personal) -> None:
        pass


class _Nodes(ClientApp):
    """Honest nodes, and some that do something else."""

    def __init__(self, honest: ClientApp, acts: Mapping[int, Act]) -> None:
        super().__init__()
        self._honest = honest
        self._acts = acts

    def __call__(self, message: Message, context: Context) -> Message:
        act = self._acts.get(context.node_id)
        return act(message, context, self._honest) if act else self._honest(message, context)


class _LossyGrid(InProcessGrid):
    """A grid on which some replies are lost, and some nodes are not always there."""

    def __init__(self, app: ClientApp, client_dirs: Sequence[Path], online: Online | None) -> None:
        super().__init__(app, client_dirs, on_reply=lambda: None)
        self._online = online
        self._round = 1

    def get_node_ids(self) -> list[int]:
        if self._online is None:
            return list(super().get_node_ids())
        return [node_of(client) for client in self._online(self._round)]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        messages = list(messages)
        for message in messages:
            if message.metadata.message_type == PEER_EVALUATION:  # the next to be looked for are of the next round
                self._round = int(message.content.config_records["round"]["server-round"]) + 1
        return super().push_messages(messages)

    def pull_messages(self, message_ids: Sequence[str]) -> list[Message]:
        replies = super().pull_messages(message_ids)
        return [reply for reply in replies if reply.has_error() or "lost" not in reply.content]


def with_settings(federation: SmallFederation, **changed: Any) -> Settings:
    """The federation's settings with some changed."""
    return replace(federation.settings, **changed)


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
