"""Malicious clients in a simulation: what they share, and how an attack takes the place of the honest step."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from client.scoring import PeerWork
from client.store import ParticipantFolder
from common.bounded_json import parse_json
from common.config import Settings
from common.data.probe import ProbeShard
from common.data.user_items import UserItems
from common.errors import CheckFailed, WrongUse
from common.metrics import IntArray
from common.models import Arrays, FloatArray, Ials, Model, model_of
from common.models.ncf import Ncf
from common.models.side_by_side import SideBySide, part_of
from common.probe_scoring import MeasuredShard, ShardMetrics
from common.update_check import open_update
from common.wire import PeerTask, RoundTask, Subject
from experiments.attacks.attack import Attack, Judging, View
from launch.simulation import Behaviour
from server.reputation import WAD
from server.run_folder import RunFolder

Part = tuple[str, Ials | Ncf]
"""A branch's prefix, "" where there is one model, and the model."""


class Colluders:
    """Everything that the malicious clients of a run know together."""

    def __init__(
        self, attack: Attack, settings: Settings, folders: Sequence[Path], targets: IntArray, run_dir: Path
    ) -> None:
        """Open the clients' folders.

        Args:
            attack: What they do.
            settings: Of the run.
            folders: Of the malicious clients.
            targets: Items to be pushed.
            run_dir: Where the public evidence appears.

        Raises:
            WrongUse: no attack is written for the run's model.
        """
        parts_of(settings, model_of(settings))
        self._attack = attack
        self._targets = targets
        self._evidence = RunFolder(run_dir)
        opened = [ParticipantFolder(path) for path in folders]
        self._data: dict[str, UserItems] = {folder.account.address: folder.part.train for folder in opened}
        self._probe: tuple[ProbeShard, ...] = tuple(opened[0].probe_shards.values()) if opened else ()
        self._states: dict[int, Arrays] = {}
        self._scored: defaultdict[int, dict[str, bytes]] = defaultdict(dict)
        self._views: tuple[int, dict[str, dict[Hashable, Any]], dict[str, Arrays]] = (0, {}, {})
        self._kept: defaultdict[tuple[str, str], dict[Hashable, Any]] = defaultdict(dict)
        self.failures: list[Exception] = []

    @property
    def accounts(self) -> frozenset[str]:
        """The malicious clients."""
        return frozenset(self._data)

    def behaviour(self, account: str) -> Behaviour:
        """Return what this malicious client does."""
        return Behaviour(self._local_step, lambda honest: _LyingWork(self, account, honest))

    def gain(
        self, task: PeerTask, evaluator: str, subject: Subject, measured: Callable[[], ShardMetrics]
    ) -> ShardMetrics:
        """Return the gain that an evaluator signs."""
        server_round = task.round_task.server_round
        judging = Judging(
            server_round, evaluator, subject.account, self.accounts, measured, self._published(server_round - 1)
        )
        return self._attack.gain(judging)

    def remember(self, server_round: int, subject: Subject) -> None:
        """Keep an update that one of them was shown as a peer."""
        self._scored[server_round][subject.account] = subject.update_bytes

    def _local_step(
        self, task: RoundTask, model: Model, state: Arrays, folder: ParticipantFolder
    ) -> tuple[Arrays, FloatArray]:
        """Return the attack's update, and honest vectors: a client's users are measured as the honest are."""
        del model  # it may be for a GPU
        try:
            update: Arrays = {}
            vectors = []
            for prefix, view in self._views_of(task, state, folder):
                update |= {prefix + name: array for name, array in self._attack.update(view).items()}
                vectors.append(view.vectors_of(view.account))
        except Exception as error:
            self.failures.append(error)  # the round goes on without this client, and nobody would see why
            raise
        return update, np.concatenate(vectors, axis=1)

    def _views_of(self, task: RoundTask, state: Arrays, folder: ParticipantFolder) -> Iterator[tuple[str, View]]:
        model, server_round = model_of(task.settings), task.server_round
        if self._views[0] != server_round:
            self._states[server_round] = state
            seen = {
                account: open_update(task.settings, model.at(state), data, folder.part.train.item_count)
                for account, data in self._scored.pop(server_round - 1, {}).items()
            }
            self._views = (server_round, defaultdict(dict), seen)
        _, memos, seen = self._views
        earlier = [self._states[number] for number in sorted(self._states) if number < server_round]
        for prefix, part in parts_of(task.settings, model):
            yield (
                prefix,
                View(
                    settings=task.settings,
                    server_round=server_round,
                    account=folder.account.address,
                    model=part,
                    state=part_of(state, prefix),
                    colluders=self._data,
                    targets=self._targets,
                    earlier=[part_of(one, prefix) for one in earlier],
                    probe=self._probe,
                    peers={account: part_of(arrays, prefix) for account, arrays in seen.items()},
                    memo=memos[prefix],
                    kept=self._kept[folder.account.address, prefix],
                ),
            )

    def _published(self, server_round: int) -> Mapping[str, float]:
        """Return the consolidated gains of a settled round."""
        try:
            evidence = parse_json(self._evidence.get_evidence(server_round))
        except CheckFailed:  # there is none before the first round
            return {}
        gains = {one["account"]: one["consolidated_wad"] for one in evidence["judgements"]}
        return {account: int(gain) / WAD for account, gain in gains.items() if gain is not None}


class _LyingWork(PeerWork):
    """A malicious client's work as a peer."""

    def __init__(self, colluders: Colluders, account: str, honest: PeerWork) -> None:
        self._colluders = colluders
        self._account = account
        self._honest = honest

    def measure(self, task: RoundTask, model: Model, state: Arrays, digest: bytes, shard: ProbeShard) -> MeasuredShard:
        return self._honest.measure(task, model, state, digest, shard)

    def apply_alone(self, task: PeerTask, model: Model, state: Arrays, subject: Subject) -> Arrays:
        applied = self._honest.apply_alone(task, model, state, subject)
        self._colluders.remember(task.round_task.server_round, subject)
        return applied

    def gain(self, task: PeerTask, subject: Subject, measured: MeasuredShard, applied: Arrays) -> ShardMetrics:
        return self._colluders.gain(
            task, self._account, subject, lambda: self._honest.gain(task, subject, measured, applied)
        )


def parts_of(settings: Settings, model: Model) -> list[Part]:
    """Return the models that attacks see.

    Raises:
        WrongUse: attacks are not written for this model.
    """
    found: list[tuple[str, Model]] = [("", model)]
    if isinstance(model, SideBySide):
        found = [(branch.prefix, branch.model) for branch in model.branches]
    parts: list[Part] = []
    for prefix, part in found:
        if settings.noise != "none" or not (isinstance(part, Ials) or (type(part) is Ncf and part.variant == "gmf")):
            raise WrongUse(
                "Attacks are written for updates without noise of --model ials, and of --model ncf with --variant gmf "
                "or fused, --loss softmax and --warm-start-rounds 0; choose one of these."
            )
        parts.append((prefix, part))
    return parts
