"""Valid inputs, made by the real encoders from a small federation and a run of it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from client.compression import compress
from client.local_update import local_update
from client.store import ParticipantFolder
from common.commitment import Score, SigningDomain, commitment_message, sign
from common.config import Settings
from common.models import Arrays, Model, model_of
from common.seeding import generator
from common.update import Packed, encode_model, encode_update
from common.wire import PeerTask, RoundTask, SignedScore, Subject, TrainReply
from server.run_folder import RunFolder
from tests.small_federation import ITEMS, SETTINGS, SmallFederation, prepare, rated_dataset

RUN_ID = bytes(range(32))
UPDATE_KINDS: dict[str, dict[str, Any]] = {
    "ials": {},
    "mf": {"model": "mf"},
    "gmf": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0},
    "mlp": {"model": "ncf", "variant": "mlp"},
    "neumf": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0},
    "gmf by bce": {"model": "ncf", "variant": "gmf", "warm_start_rounds": 0, "loss": "bce"},
    "neumf by bpr": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0, "loss": "bpr"},
    "warm start": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 2},
    "joined": {"model": "ncf", "variant": "neumf", "warm_start": "gmf-mlp", "warm_start_rounds": 2},
    "fused": {"model": "ncf", "compression": "int8"},
    "ials with noise": {"noise": "gaussian", "clipping_norm": 3.0, "noise_multiplier": 0.5},
    "gmf by DP-SGD": {
        "model": "ncf",
        "variant": "gmf",
        "warm_start_rounds": 0,
        "noise": "dp-sgd",
        "sample_rate": 0.5,
        "local_steps": 1,
    },
    "ials as int8": {"compression": "int8"},
    "neumf as int8": {"model": "ncf", "variant": "neumf", "warm_start_rounds": 0, "compression": "int8"},
    "mf as float16": {"model": "mf", "compression": "float16"},
    "ials by its longest rows": {"compression": "top-rows"},
}


class Corpora:
    """Everything below `folder`, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def federation(self) -> SmallFederation:
        return prepare(self.folder / "participants", SETTINGS, rated_dataset())

    @cached_property
    def run(self) -> RunFolder:
        """A run of two rounds, played to its end."""
        self.federation.play(self.folder / "run")
        return RunFolder(self.folder / "run")

    @property
    def participant(self) -> Path:
        return self.federation.client_dirs[0]

    def settings(self, kind: str) -> Settings:
        """The settings of a run with one kind of update."""
        return replace(SETTINGS, **UPDATE_KINDS[kind])

    def model(self, kind: str) -> tuple[Model, Arrays]:
        """The model of that run, and its first state."""
        whole = model_of(self.settings(kind))
        state = whole.initial_state(ITEMS, generator(1, "initial-model"))
        return whole.at(state), state

    def updates(self, kind: str) -> list[bytes]:
        """What two honest clients send."""
        _, state = self.model(kind)
        made = []
        for client_dir in self.federation.client_dirs[:2]:
            settings, train = self.settings(kind), ParticipantFolder(client_dir).part.train
            whole = model_of(settings)
            update, _ = local_update(settings, whole, state, train, np.random.default_rng(1))
            forms, _ = compress(update, settings.compression, settings.top_rows, np.random.default_rng(1), {})
            made.append(encode_update(Packed(whole.at(state).name, ITEMS, forms)))
        return made

    def models(self, kind: str = "ials") -> list[bytes]:
        whole = model_of(self.settings(kind))
        states = (whole.initial_state(ITEMS, generator(seed, "initial-model")) for seed in (1, 2))
        return [encode_model(Packed(whole.name, ITEMS, state)) for state in states]

    @cached_property
    def round_task(self) -> RoundTask:
        account = self.federation.accounts[0].address
        return RoundTask(RUN_ID, 1, SigningDomain(31337, account), SETTINGS, self.models()[0])

    @cached_property
    def train_reply(self) -> TrainReply:
        account = self.federation.accounts[0]
        signature = sign(commitment_message(self.round_task.domain, RUN_ID, 1, RUN_ID), account.key)
        return TrainReply(
            account.address, self.updates("ials")[0], RUN_ID, RUN_ID, signature, signature, {"test_users": 3, "x": 0.25}
        )

    def peer_task(self, subjects: int) -> PeerTask:
        accounts = [account.address for account in self.federation.accounts[:subjects]]
        return PeerTask(
            self.round_task, 5, tuple(Subject(one, b"update", RUN_ID, RUN_ID, bytes(32)) for one in accounts)
        )

    def scores(self, count: int) -> Sequence[SignedScore]:
        accounts = [account.address for account in self.federation.accounts[:count]]
        return [SignedScore(Score(one, RUN_ID, bytes(32), 10**17, -1), bytes(65)) for one in accounts]
