"""Messages between coordinator and clients, with the updates, models and signatures in them."""

import json
from collections.abc import Callable, Sequence

import numpy as np

from client.store import ParticipantFolder
from client.training import received_state
from common.commitment import check_signature, commitment_message, sign
from common.config import Settings
from common.declaration import TOO_SLOW, Declaration
from common.errors import Rejected, WrongUse
from common.introduction import Introduction, introduction_content, read_introduction
from common.models import Arrays, Model, model_of
from common.update import MAX_READING_BYTES, decode_model, decode_update, encode_model, encode_update
from common.update_check import open_update
from common.wire import (
    metrics_content,
    peer_content,
    peer_reply_content,
    read_metrics,
    read_peer_reply,
    read_peer_task,
    read_round_task,
    read_train_reply,
    train_content,
    train_reply_content,
)
from tests.fuzz.corpora import RUN_ID, UPDATE_KINDS, Corpora
from tests.fuzz.decoder import Decoder, Read, Refusals, same
from tests.fuzz.mutations import (
    mutated_bytes,
    mutated_json,
    mutated_update,
)
from tests.fuzz.records import FlowerRefuses, content_from_json, content_to_json, loosely_parsed
from tests.small_federation import ITEMS, SETTINGS

_CLASSES = {
    "Fused": "side_by_side:SideBySide",
    "GmfMlp": "side_by_side:SideBySide",
    "Ials": "ials:Ials",
    "Mf": "mf:Mf",
    "Ncf": "ncf:Ncf",
    "AveragedNcf": "ncf_averaged:AveragedNcf",
    "SampledNcf": "ncf_sampled:SampledNcf",
}


def messages(corpora: Corpora) -> list[Decoder]:
    def message(name: str, function: Callable[..., object], *contents: object, more: Sequence[str] = ()) -> Decoder:
        refusals: Refusals = (Rejected, FlowerRefuses)
        if function in (read_round_task, read_peer_task):
            refusals = (*refusals, WrongUse)  # nonsense settings
        return Decoder(
            name,
            (f"{function.__module__}:{function.__name__}", *more),
            [content_to_json(content) for content in contents],  # type: ignore[arg-type]
            mutated_json,
            lambda data: function(content_from_json(data)),
            refusals,
        )

    account = corpora.federation.accounts[0].address
    return [
        message("train task", read_round_task, train_content(corpora.round_task), more=("common.wire:read_round",)),
        message(
            "introduction",
            read_introduction,
            introduction_content(Introduction(account, bytes(65), Declaration(((1200, 360),), 12.5), TOO_SLOW)),
            introduction_content(Introduction(account, bytes(65))),
        ),
        message("train reply", read_train_reply, train_reply_content(corpora.train_reply)),
        message("peer task", read_peer_task, peer_content(corpora.peer_task(3)), peer_content(corpora.peer_task(1))),
        message(
            "peer reply",
            read_peer_reply,
            peer_reply_content(account, corpora.scores(3)),
            peer_reply_content(account, corpora.scores(0)),
        ),
        message("metrics", read_metrics, metrics_content({"test_users": 3, "test_ndcg_at_10": 0.25})),
        Decoder(
            "run settings",
            ("common.config:Settings.from_run_config",),
            [json.dumps(settings.to_run_config()).encode() for settings in (SETTINGS, corpora.settings("mf"))],
            mutated_json,
            _read_settings,
            (WrongUse,),
        ),
    ]


def _read_settings(data: bytes) -> object:
    try:
        told = loosely_parsed(data)
    except ValueError:
        return None  # no mapping, which is what the function is given
    if not isinstance(told, dict):
        return None
    read = Settings.from_run_config(told)
    return same(Settings.from_run_config(json.loads(read.canonical())), read)


def updates_and_models(corpora: Corpora) -> list[Decoder]:
    made = []
    for kind in UPDATE_KINDS:
        model, state = corpora.model(kind)
        read = _update_reader(corpora.settings(kind), model, state)
        made.append(
            Decoder(
                f"update: {kind}",
                (
                    "common.update:decode_update",
                    "common.update_check:check_update",
                    f"common.models.{_CLASSES[type(model).__name__]}.check_update",
                    *(("common.models.warm_start:WarmStart.check_update",) if kind == "warm start" else ()),
                ),
                corpora.updates(kind),
                mutated_update,
                read,
                (Rejected,),
                base_bytes=MAX_READING_BYTES,
            )
        )

    def read_any_model(data: bytes) -> object:
        packed = decode_model(data)
        return same(encode_model(packed), data)

    folder = ParticipantFolder(corpora.participant)

    def received(data: bytes) -> object:
        task = corpora.round_task
        return received_state(
            type(task)(task.run_id, 1, task.domain, task.settings, data), model_of(task.settings), folder
        )

    made.append(
        Decoder(
            "model",
            ("common.update:decode_model",),
            corpora.models("neumf"),
            mutated_update,
            read_any_model,
            (Rejected,),
        )
    )
    made.append(
        Decoder(
            "received model",
            ("client.training:received_state",),
            corpora.models(),
            mutated_update,
            received,
            (Rejected,),
        )
    )
    return made


def _update_reader(settings: Settings, model: Model, state: Arrays) -> Read:
    def read(data: bytes) -> object:
        packed = decode_update(data)
        same(encode_update(packed), data)
        update = open_update(settings, model, data, ITEMS)
        # What was accepted can be fused and leaves a model of numbers.
        after = model.apply(state, model.fuse([update], [1.0]))
        if not all(np.isfinite(array).all() for array in after.values()):
            raise ArithmeticError("an accepted update leaves a model that is not finite")
        return packed

    return read


def signatures(corpora: Corpora) -> list[Decoder]:
    account = corpora.federation.accounts[0]
    message = commitment_message(corpora.round_task.domain, RUN_ID, 1, RUN_ID)
    valid = sign(message, account.key)

    def read(data: bytes) -> object:
        check_signature(message, data, account.address)
        return same(valid, data)  # nobody can write another one that holds

    return [
        Decoder(
            "signature",
            ("common.commitment:check_signature",),
            [valid],
            mutated_bytes,
            read,
            (Rejected,),
        )
    ]
