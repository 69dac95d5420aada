"""The messages between coordinator and clients: the one place where the two sides meet.

Two messages make a round: ``train`` and ``evaluate.peer``; a last ``evaluate`` measures the final model. How nodes
introduce themselves is in `common/introduction.py`. Record keys are in kebab-case and appear in these two files alone.
Readers of replies trust nothing: whatever is missing, of a wrong type or too long becomes a `Rejected` with its reason.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flwr.app import ConfigRecord, MetricRecord, RecordDict

from common.commitment import Score, SigningDomain
from common.config import Settings
from common.errors import Rejected
from common.record_fields import (
    address_field,
    address_list,
    bytes_field,
    bytes_list,
    bytes_record,
    config_record,
    integer_field,
    list_field,
    record_bytes,
)
from common.recoverable_signature import SIGNATURE_BYTES

PEER_EVALUATION = "evaluate.peer"
ROUND_RECORD, MODEL_RECORD = "round", "model"
_METRICS, _UPDATE, _SIGNED, _SUBJECTS, _SCORES = (
    "metrics",
    "update",
    "signed",
    "subjects",
    "scores",
)
_MAX_METRICS = 256
_METRIC_NAME = re.compile(r"[a-z0-9-]{1,80}")  # names reach the report
_LARGEST_FIGURE = 1e9  # so that no sum over clients overflows
_HASH_BYTES = 32


@dataclass(frozen=True)
class RoundTask:
    """What every message of a round carries.

    Attributes:
        run_id: 32 bytes.
        server_round: Counts from 1; row t of the report describes the model that round t made.
        domain: Where signatures of this run count.
        settings: The run's settings, the same for everybody.
        model_bytes: The global model that round `server_round` starts from.
    """

    run_id: bytes
    server_round: int
    domain: SigningDomain
    settings: Settings
    model_bytes: bytes


@dataclass(frozen=True)
class TrainReply:
    """A client's update with everything that makes it accountable, and how good the received model was for it."""

    account: str
    update_bytes: bytes
    commitment: bytes
    salt: bytes
    commitment_signature: bytes
    node_binding_signature: bytes
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Subject:
    """An update that a peer is asked to score, with what it needs to check the commitment."""

    account: str
    update_bytes: bytes
    commitment: bytes
    salt: bytes
    shard: bytes


@dataclass(frozen=True)
class PeerTask:
    """A peer's share of a round's scoring; `cohort_size` is the number of updates that the round received."""

    round_task: RoundTask
    cohort_size: int
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class SignedScore:
    """A score with the evaluator's EIP-712 signature."""

    score: Score
    signature: bytes


def train_content(task: RoundTask) -> RecordDict:
    """Content of a ``train`` or ``evaluate`` message."""
    return RecordDict({ROUND_RECORD: round_config(task), MODEL_RECORD: bytes_record(task.model_bytes)})


def read_round_task(content: RecordDict) -> RoundTask:
    """Read what `train_content` wrote.

    Raises:
        Rejected: something is missing or malformed.
        WrongUse: a setting is outside its limits.
    """
    return read_round(content, record_bytes(content, MODEL_RECORD))


def read_round(content: RecordDict, model_bytes: bytes) -> RoundTask:
    """Read the record of a round from a message that came with this model; b"" for one that needs none."""
    record = config_record(content, ROUND_RECORD)
    if missing := sorted(set(Settings().to_run_config()) - set(record)):
        raise Rejected(f"the message lacks the setting '{missing[0]}'")
    settings = Settings.from_run_config(record)
    return RoundTask(
        run_id=bytes_field(record, "run-id", _HASH_BYTES),
        server_round=integer_field(record, "server-round"),
        domain=SigningDomain(integer_field(record, "chain-id"), address_field(record, "ledger")),
        settings=settings,
        model_bytes=model_bytes,
    )


def train_reply_content(reply: TrainReply) -> RecordDict:
    """Content of the reply to ``train``."""
    signed: dict[str, str | bytes] = {
        "account": reply.account,
        "commitment": reply.commitment,
        "salt": reply.salt,
        "commitment-signature": reply.commitment_signature,
        "node-binding-signature": reply.node_binding_signature,
    }
    return RecordDict(
        {
            _UPDATE: bytes_record(reply.update_bytes),
            _SIGNED: ConfigRecord(dict(signed)),
            _METRICS: _metric_record(reply.metrics),
        }
    )


def read_train_reply(content: RecordDict) -> TrainReply:
    """Read a client's reply to ``train``; lengths and types are checked here, meaning in `server/verification.py`."""
    signed = config_record(content, _SIGNED)
    return TrainReply(
        account=address_field(signed, "account"),
        update_bytes=record_bytes(content, _UPDATE),
        commitment=bytes_field(signed, "commitment", _HASH_BYTES),
        salt=bytes_field(signed, "salt", _HASH_BYTES),
        commitment_signature=bytes_field(signed, "commitment-signature", SIGNATURE_BYTES),
        node_binding_signature=bytes_field(signed, "node-binding-signature", SIGNATURE_BYTES),
        metrics=read_metrics(content),
    )


def peer_content(task: PeerTask) -> RecordDict:
    """Content of an ``evaluate.peer`` message: the model, and several updates to score."""
    content = train_content(task.round_task)
    content[_SUBJECTS] = ConfigRecord(
        {
            "cohort-size": task.cohort_size,
            "accounts": [subject.account for subject in task.subjects],
            "commitments": [subject.commitment for subject in task.subjects],
            "salts": [subject.salt for subject in task.subjects],
            "shards": [subject.shard for subject in task.subjects],
        }
    )
    for subject in task.subjects:
        content[f"{_UPDATE}.{subject.account}"] = bytes_record(subject.update_bytes)
    return content


def read_peer_task(content: RecordDict) -> PeerTask:
    """Read what `peer_content` wrote."""
    record = config_record(content, _SUBJECTS)
    accounts = address_list(record, "accounts")
    columns = [bytes_list(record, key, _HASH_BYTES) for key in ("commitments", "salts", "shards")]
    if any(len(column) != len(accounts) for column in columns):
        raise Rejected("the lists of subjects have different lengths")
    return PeerTask(
        round_task=read_round_task(content),
        cohort_size=integer_field(record, "cohort-size"),
        subjects=tuple(
            Subject(account, record_bytes(content, f"{_UPDATE}.{account}"), commitment, salt, shard)
            for account, commitment, salt, shard in zip(accounts, *columns, strict=True)
        ),
    )


def peer_reply_content(account: str, scores: Sequence[SignedScore]) -> RecordDict:
    """Content of the reply to ``evaluate.peer``."""
    record: dict[str, str | list[str] | list[bytes] | list[int]] = {
        "account": account,
        "subjects": [signed.score.subject for signed in scores],
        "commitments": [signed.score.commitment for signed in scores],
        "shards": [signed.score.shard for signed in scores],
        "ndcg-gains-wad": [signed.score.ndcg_gain_wad for signed in scores],
        "hit-gains-wad": [signed.score.hit_gain_wad for signed in scores],
        "signatures": [signed.signature for signed in scores],
    }
    return RecordDict({_SCORES: ConfigRecord(dict(record))})


def read_peer_reply(content: RecordDict) -> tuple[str, tuple[SignedScore, ...]]:
    """Read a peer's account and its scores."""
    record = config_record(content, _SCORES)
    subjects = address_list(record, "subjects")
    commitments, shards = (bytes_list(record, key, _HASH_BYTES) for key in ("commitments", "shards"))
    signatures = bytes_list(record, "signatures", SIGNATURE_BYTES)
    ndcg_gains, hit_gains = (list_field(record, key, int) for key in ("ndcg-gains-wad", "hit-gains-wad"))
    if len({len(c) for c in (subjects, commitments, shards, signatures, ndcg_gains, hit_gains)}) != 1:
        raise Rejected("the lists of scores have different lengths")
    scores = tuple(
        SignedScore(Score(subject, commitment, shard, ndcg, hit), signature)
        for subject, commitment, shard, ndcg, hit, signature in zip(
            subjects, commitments, shards, ndcg_gains, hit_gains, signatures, strict=True
        )
    )
    return address_field(record, "account"), scores


def metrics_content(metrics: Mapping[str, float]) -> RecordDict:
    """Content of the reply to ``evaluate``."""
    return RecordDict({_METRICS: _metric_record(metrics)})


def read_metrics(content: RecordDict) -> dict[str, float]:
    """Read a client's own figures: numbers in [0, 1e9]."""
    record = content.metric_records.get(_METRICS)
    if record is None:
        raise Rejected("the reply has no record of metrics")
    if len(record) > _MAX_METRICS:
        raise Rejected(f"the record of metrics is too long: {len(record)} of them, at most {_MAX_METRICS} are read")
    metrics = {}
    for name, value in record.items():
        if not _METRIC_NAME.fullmatch(name) or not isinstance(value, int | float):
            raise Rejected("a metric is not one number with a short name of letters, digits and hyphens")
        if not 0 <= value <= _LARGEST_FIGURE:  # false for NaN too
            raise Rejected(f"metric '{name}' is not in [0, {_LARGEST_FIGURE:g}]")
        metrics[name.replace("-", "_")] = float(value)
    return metrics


def content_size(content: RecordDict) -> int:
    """Return the bytes of models and updates in a message, which is nearly all that travels."""
    return sum(len(array.data) for record in content.array_records.values() for array in record.values())


def round_config(task: RoundTask) -> ConfigRecord:
    """The settings of the run and where its signatures count, as a record."""
    values: dict[str, bool | int | float | str | bytes] = {
        **task.settings.to_run_config(),
        "run-id": task.run_id,
        "server-round": task.server_round,
        "chain-id": task.domain.chain_id,
        "ledger": task.domain.verifying_contract,
    }
    return ConfigRecord(dict(values))


def _metric_record(metrics: Mapping[str, float]) -> MetricRecord:
    return MetricRecord({name.replace("_", "-"): value for name, value in metrics.items()})
